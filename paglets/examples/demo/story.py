"""The demo, chapter by chapter; each claim is checked and a broken one ends it with exit code 1."""

import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from paglets import Itinerary, Message, PagletProxy, Stop
from paglets.connect import Client
from paglets.examples.demo.explorer import Count, Explorer, ExplorerState, Logbook
from paglets.examples.demo.narrator import Narrator
from paglets.model.enums import PagletStatus
from paglets.model.errors import MoveInDoubtError, PagletsError
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from paglets.wire.bodies import AgentInfo

HOSTS = ("alpha", "beta", "gamma")
HOME, VICTIM = "alpha", "gamma"
NOTES = 20
"""Notes given to the explorer before its host-to-be is killed."""
PATIENCE = 15.0
"""Seconds for any one thing to happen; each takes well under one."""
TRAP = "arrival.after_accepted=kill9*1"
"""Kills a host by SIGKILL when it has taken a paglet in and before it can say so."""


class DemoError(Exception):
    """Something did not happen as the demo says."""


def run_demo(*, keep: bool = False) -> int:
    """Tell the whole story on stdout; return the exit code.

    Args:
        keep: Leave the hosts' folder with their logs.
    """
    narrator = Narrator(sys.stdout)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # hosts end too then
    folder = Path(tempfile.mkdtemp(prefix="paglets-demo-")) if keep else None
    mesh = LocalMesh(len(HOSTS), preload=(Explorer.__module__,), folder=folder)
    try:
        tell_story(mesh, narrator)
    except (DemoError, PagletsError) as error:
        narrator.tell(f"FAILED: {error}")
        return 1
    finally:
        mesh.close()
    left = f"but logs and stores in {mesh.folder}" if keep else "behind"
    narrator.tell(f"{narrator.checks} claims checked, all held; nothing is left {left}.")
    return 0


def tell_story(mesh: LocalMesh, narrator: Narrator) -> None:
    """Tell every chapter, on hosts that are started and stopped here.

    Raises:
        DemoError: A claim did not hold.
        PagletsError: A call failed.
    """
    narrator.chapter("Three hosts on this machine")
    with narrator.timed("alpha, beta and gamma are up, each a process with an API and a store"):
        mesh.start()
    story = Story(mesh, narrator, mesh.client(HOME))
    story.meet()
    story.tour()
    story.fan_out()
    story.sleep()
    story.kill_in_the_middle()
    story.count_everything()
    narrator.chapter("Good night")
    with narrator.timed("all hosts stopped by SIGTERM, each with exit code 0"):
        for host in mesh:
            host.ask_to_stop()
        for host in mesh:
            host.wait_stopped()


class Story:
    """The chapters between the first start and the last stop; they follow one explorer.

    Args:
        mesh: The hosts.
        narrator: Prints.
        client: Talks to alpha only, which forwards to the others.
    """

    def __init__(self, mesh: LocalMesh, narrator: Narrator, client: Client) -> None:
        self._mesh = mesh
        self._narrator = narrator
        self._client = client
        self._explorer: PagletProxy | None = None

    def meet(self) -> None:
        """The hosts find each other."""
        with self._narrator.timed("they have found each other"):
            for name in HOSTS:
                self._client.mesh.wait_for_host(name, PATIENCE)

    def tour(self) -> None:
        """One paglet visits all hosts and reads real data there."""
        narrator = self._narrator
        narrator.chapter("A paglet tours the hosts and reads what is there")
        plan = Itinerary(stops=[Stop(name, arrival=["look"]) for name in (*HOSTS[1:], HOME)])
        self._explorer = self._client.create(Explorer, ExplorerState(plan), host=HOME)
        with narrator.timed("visited beta, gamma and alpha, in a new process each time"):
            wait_until(lambda: self._logbook().is_done, timeout=PATIENCE, what="the tour is done")
        sights = self._logbook().sights
        narrator.table(
            ("host", "python", "cpus", "load", "memory free", "disk free", "processes", "pid"),
            [
                (
                    sight.host,
                    sight.python,
                    str(sight.cpus),
                    f"{sight.load:.2f}",
                    f"{sight.memory_free_bytes / 2**30:.1f} GiB",
                    f"{sight.disk_free_bytes / 2**30:.1f} GiB",
                    str(sight.processes),
                    str(sight.pid),
                )
                for sight in sights
            ],
        )
        self._check([sight.host for sight in sights] == [*HOSTS, HOME], "seen in this order, once")
        self._check(len({sight.pid for sight in sights}) == len(sights), "a process for each stay")

    def fan_out(self) -> None:
        """Clones share a job over the hosts and are retracted with their results."""
        narrator = self._narrator
        narrator.chapter("Clones share a job: count the lines of Python's library")
        with narrator.timed("cloned to each host"):
            clones = [self._it.clone(name) for name in HOSTS]
        with narrator.timed("counted a third each, at once"):
            replies = [
                clone.send_future(Message("count", {"share": n, "shares": len(HOSTS)}), Count)
                for n, clone in enumerate(clones)
            ]
            counts = [reply.result() for reply in replies]
        narrator.table(
            ("host", "files", "lines", "seconds"),
            [(c.host, str(c.files), str(c.lines), f"{c.seconds:.3f}") for c in counts],
        )
        with narrator.timed("retracted from beta and gamma"):
            for clone in clones[1:]:
                clone.retract(HOME)
        books = [clone.send(Message("logbook"), Logbook) for clone in clones]
        self._check(
            [book.counts[0] for book in books] == counts and {where(c) for c in clones} == {HOME},
            f"all are on alpha with their results: {sum(c.lines for c in counts)} lines",
        )
        for clone in clones:
            clone.dispose()

    def sleep(self) -> None:
        """The explorer sleeps on disk and is woken by a message."""
        narrator = self._narrator
        narrator.chapter("Asleep on disk, awake by a message")
        with narrator.timed("put to sleep"):
            self._it.deactivate()
        info = self._it.info()
        self._check(
            info.status == PagletStatus.INACTIVE and info.pid is None,
            f"no process any more, {info.state_bytes} bytes on disk",
        )
        with narrator.timed("sent a message, which woke it"):
            book = self._logbook()
        self._check(
            len(book.sights) == len(HOSTS) + 1 and self._it.info().status == PagletStatus.ACTIVE,
            "awake, and knows everything it had seen",
        )

    def kill_in_the_middle(self) -> None:
        """A host is killed between taking the paglet in and saying so."""
        narrator, victim = self._narrator, self._mesh[VICTIM]
        narrator.chapter("kill -9 in the middle of a move")
        for number in range(NOTES):
            self._it.send(Message("note", {"text": f"note {number}"}))
        narrator.tell(f"gave the explorer {NOTES} notes, each acknowledged")
        with narrator.timed(
            "restarted gamma with a trap: it will be killed when it has stored an arriving\n"
            "paglet and before it can answer"
        ):
            victim.ask_to_stop()
            victim.wait_stopped()
            victim.start(failpoints=TRAP)
        with ThreadPoolExecutor(2) as pool:
            self._client.mesh.wait_for_host(VICTIM, PATIENCE)
            narrator.tell("dispatched the explorer to gamma …")
            moving = pool.submit(self._move_to_victim)
            killed = victim.wait_gone(timeout=PATIENCE) == -signal.SIGKILL
            self._check(killed, "gamma was killed -9")
            status = self._it.info().status
            self._check(
                status == PagletStatus.MOVING,
                f"alpha has let it go and has no answer: {status}, in doubt, started nowhere",
            )
            late = pool.submit(self._note_late)
            with narrator.timed("restarted gamma, and the move was settled"):
                victim.start()
                moving.result(2 * PATIENCE)
            late.result(2 * PATIENCE)
        notes = self._logbook().notes
        wanted = [*(f"note {number}" for number in range(NOTES)), "sent while it was in doubt"]
        self._check(where(self._it) == VICTIM, "the explorer is on gamma")
        self._check(
            notes == wanted,
            f"{len(notes)} notes, each once and in order, also one sent while it was in doubt",
        )

    def count_everything(self) -> None:
        """Every paglet is there once."""
        self._narrator.chapter("Nothing lost, nothing doubled")
        living = self._living()
        self._check(
            [(info.agent_id, info.host_name) for info in living] == [(self._it.agent_id, VICTIM)],
            "all hosts asked: one paglet, the explorer, on gamma, and no second one anywhere",
        )
        self._it.dispose()
        self._check(not self._living(), "disposed of; the hosts are empty")

    @property
    def _it(self) -> PagletProxy:
        assert self._explorer is not None, "the tour comes first"
        return self._explorer

    def _logbook(self) -> Logbook:
        return self._it.send(Message("logbook"), Logbook, retry_for=PATIENCE)

    def _move_to_victim(self) -> None:
        try:
            self._it.dispatch(VICTIM)
        except MoveInDoubtError:  # the caller's patience ended first; the hosts' does not
            wait_until(
                lambda: where(self._it) == VICTIM, timeout=PATIENCE, what="the move is settled"
            )

    def _note_late(self) -> None:
        message = Message("note", {"text": "sent while it was in doubt"})
        self._it.send(message, timeout=2 * PATIENCE, retry_for=2 * PATIENCE)

    def _living(self) -> list[AgentInfo]:
        """Return what every host itself lists as a paglet of its own."""
        found: list[AgentInfo] = []
        for host in self._mesh:
            found.extend(host.client.agents())
        return [info for info in found if info.status != PagletStatus.MOVED]

    def _check(self, holds: bool, claim: str) -> None:
        if not holds:
            raise DemoError(f"this should hold, and does not: {claim}")
        self._narrator.held(claim)


def where(paglet: PagletProxy) -> str:
    """Return the name of the host a paglet is active on, empty while it is on none."""
    info = paglet.info()
    return info.host_name if info.status == PagletStatus.ACTIVE else ""
