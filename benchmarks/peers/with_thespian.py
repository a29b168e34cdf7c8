"""The work on Thespian actors, each in a process (`multiprocTCPBase`)."""

import os
from datetime import timedelta
from importlib.metadata import version

from thespian.actors import Actor, ActorAddress, ActorSystem
from work import ACTORS, IN_FLIGHT, TEXT, Report, best_ms, best_rate, median_ms, uss_mib

PATIENCE = timedelta(seconds=10)


class Echo(Actor):
    """Answers with what it was asked, or with its process."""

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:  # noqa: N802 - theirs
        """Answer at once."""
        if isinstance(message, str):
            self.send(sender, os.getpid() if message == "pid" else message)


def main() -> None:
    """Do the work and report."""
    system = ActorSystem("multiprocTCPBase")
    try:
        actors: list[ActorAddress] = []

        def create() -> None:
            actor = system.createActor(Echo)
            call(actor)
            actors.append(actor)

        def call(actor: ActorAddress) -> None:
            if system.ask(actor, TEXT, PATIENCE) != TEXT:
                raise RuntimeError("no answer within 10 s")

        create()
        report = Report(version("thespian"), note="not durable")
        report.create_ms = median_ms(create, ACTORS)
        one = actors[0]
        report.round_trip_ms = best_ms(lambda: call(one))

        def load(count: int) -> None:
            for _ in range(IN_FLIGHT):
                system.tell(one, TEXT)
            for done in range(count):
                if system.listen(PATIENCE) != TEXT:
                    raise RuntimeError("no answer within 10 s")
                if done < count - IN_FLIGHT:
                    system.tell(one, TEXT)

        report.calls_per_s = best_rate(load)
        report.mib_per_actor = uss_mib(system.ask(actor, "pid", PATIENCE) for actor in actors[1:])
        report.send()
    finally:
        system.shutdown()


if __name__ == "__main__":
    main()
