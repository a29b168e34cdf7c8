"""The work on Ray actors, on a local node without its dashboard."""

import os

import ray
from work import ACTORS, IN_FLIGHT, TEXT, Report, best_ms, best_rate, median_ms, uss_mib


@ray.remote(num_cpus=0)
class Echo:
    """Answers with what it was asked."""

    def echo(self, text: str) -> str:
        """Answer at once."""
        return text

    def pid(self) -> int:
        """Return its process."""
        return os.getpid()


def main() -> None:
    """Do the work and report."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        actors: list[ray.actor.ActorHandle] = []

        def create() -> None:
            actor = Echo.remote()  # type: ignore[attr-defined]  # added by the decorator
            ray.get(actor.echo.remote(TEXT))
            actors.append(actor)

        create()
        report = Report(ray.__version__, note="not durable; a driver inside the cluster")
        report.create_ms = median_ms(create, ACTORS)
        one = actors[0]
        report.round_trip_ms = best_ms(lambda: ray.get(one.echo.remote(TEXT)))

        def load(count: int) -> None:
            under_way = [one.echo.remote(TEXT) for _ in range(IN_FLIGHT)]
            for _ in range(count - IN_FLIGHT):
                ray.get(under_way.pop(0))
                under_way.append(one.echo.remote(TEXT))
            ray.get(under_way)

        report.calls_per_s = best_rate(load)
        report.mib_per_actor = uss_mib(ray.get([actor.pid.remote() for actor in actors[1:]]))
        report.send()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
