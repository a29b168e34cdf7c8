"""The work on plain `multiprocessing`: a process and a pipe for each actor, nothing else."""

import multiprocessing
import os
import platform
from multiprocessing.connection import Connection

from work import ACTORS, IN_FLIGHT, TEXT, Report, best_ms, best_rate, median_ms, uss_mib


def serve(pipe: Connection) -> None:
    """Return what comes, until the other end is closed."""
    while True:
        try:
            pipe.send(pipe.recv())
        except EOFError:
            return


class Actor:
    """A process that answers."""

    def __init__(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.call()

    def call(self) -> str:
        """Send the text there and back."""
        self.pipe.send(TEXT)
        answer: str = self.pipe.recv()
        return answer

    def load(self, count: int) -> None:
        """Make `count` calls, several under way."""
        for _ in range(IN_FLIGHT):
            self.pipe.send(TEXT)
        for _ in range(count - IN_FLIGHT):
            self.pipe.recv()
            self.pipe.send(TEXT)
        for _ in range(IN_FLIGHT):
            self.pipe.recv()


def main() -> None:
    """Do the work and report."""
    multiprocessing.set_start_method("forkserver")
    multiprocessing.set_forkserver_preload(["work"])
    Actor()  # starts the forkserver
    actors: list[Actor] = []
    report = Report(platform.python_version(), note="forkserver and pipes; not durable, no hosts")
    report.create_ms = median_ms(lambda: actors.append(Actor()), ACTORS)
    report.round_trip_ms = best_ms(actors[0].call)
    report.calls_per_s = best_rate(actors[0].load)
    report.mib_per_actor = uss_mib(actor.process.pid or os.getpid() for actor in actors[1:])
    report.send()


if __name__ == "__main__":
    main()
