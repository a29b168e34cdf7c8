"""One case of the matrix: a ledger on alpha that is about to leave for beta, and what goes wrong.

Everything is driven through gamma, which no case hurts. The ledger leaves by its own handler: the
message is sent once, so nothing but the hosts themselves repeats anything.
"""

import os
import signal
import threading
from collections.abc import Callable

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Limits
from paglets.model.enums import PagletStatus
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.testing.cutproxy import Fault, FaultKind
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.support import PATIENCE, mend, processes, put, settle, story

OFFER = b"PUT /transfers/"
"""How an offer begins on the wire."""


class Scene:
    """What a case has at hand.

    Args:
        mesh: Of alpha, beta and gamma, proxied.
        arm: Failpoints by host name; these hosts are started anew with them.
    """

    def __init__(self, mesh: LocalMesh, arm: dict[str, str]) -> None:
        self.mesh = mesh
        for name, failpoints in arm.items():
            mesh[name].kill()
            mesh[name].start(wait=False, failpoints=failpoints)
        mend(mesh)
        mesh.wait_converged()
        self.client = mesh.client("gamma")
        self._hits = {host.name: _lines(host) for host in mesh}
        self._threads: list[threading.Thread] = []
        self.proxy: PagletProxy
        self.outcome: object = None
        """What leaving came to, once `wait` has returned: a reply or an error."""

    @property
    def alpha(self) -> LocalHost:
        return self.mesh["alpha"]

    @property
    def beta(self) -> LocalHost:
        return self.mesh["beta"]

    def create(self, name: str = "Ledger", *, fill: int = 0, trouble: str = "") -> None:
        """Make the ledger; what it holds is committed."""
        self.proxy = self.client.create(f"ledger:{name}", host="alpha")
        put(self.proxy, 1)
        if fill:
            self.proxy.send(Message("fill", {"size": fill}))
        if trouble:
            self.proxy.send(Message("trouble", {"what": trouble}))

    def go(self, to: str = "beta") -> None:
        """Let it leave, in the background."""
        self._start(lambda: self.proxy.send(Message("go", {"to": to}), timeout=PATIENCE))

    def clone(self, to: str = "beta") -> None:
        """Let it be cloned, in the background."""
        self._start(lambda: self.proxy.clone(to))

    def send(self, number: int) -> None:
        """Send a number in the background, to where the ledger was made, until it is handled."""
        old = self.mesh.client("gamma").proxy(self.proxy.ref())
        self._start(lambda: put(old, number, retry_for=60.0), keep=False)

    def _start(self, work: Callable[[], object], *, keep: bool = True) -> None:
        def run() -> None:
            try:
                outcome: object = work()
            except PagletsError as error:
                outcome = error
            if keep:
                self.outcome = outcome

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)

    def wait(self) -> None:
        """Wait until everything that runs in the background has ended."""
        for thread in self._threads:
            thread.join(60.0)
            assert not thread.is_alive(), "a call outlived its time"

    def wait_hit(self, host: LocalHost, point: str) -> None:
        """Wait until a host has come to a failpoint since this scene began."""
        before = self._hits[host.name]

        def was_hit() -> bool:
            return any(line.split()[0] == point for line in _all_lines(host)[before:])

        wait_until(was_hit, timeout=PATIENCE, what=f"{host.name} hits {point}", story=host.tail)

    def wait_doubt(self, attempts: int = 2) -> None:
        """Wait until alpha has tried in vain so many times."""

        def has_tried() -> bool:
            found = self.alpha.observer.transfers(in_doubt=True)
            return any(each.attempts >= attempts and each.last_error is not None for each in found)

        wait_until(
            has_tried,
            timeout=PATIENCE,
            what=f"alpha is in doubt after {attempts} attempts",
            story=lambda: story(self.mesh, self.proxy.agent_id),
        )

    def spoil(self, kind: FaultKind, *, on: bytes = OFFER, size: int = 0) -> None:
        """Let offers to beta go wrong on the way, until all is mended."""
        self.mesh.proxy("beta").apply(Fault(kind, on=on, bytes=size), name="offers")

    def wait_sent(self, number: int) -> None:
        """Wait until a number sent in the background has reached a host: it waits there."""
        del number
        agent_id = self.proxy.agent_id

        def waits() -> bool:
            infos = self.alpha.observer.agents(tombstones=True)
            mine = [i for i in infos if i.agent_id == agent_id]
            return bool(mine) and (mine[0].queued > 0 or mine[0].status == PagletStatus.MOVED)

        wait_until(waits, timeout=PATIENCE, what="the message has come", story=self.alpha.tail)

    def kill_process(self, pid: int) -> None:
        """Kill a Paglet Process."""
        os.kill(pid, signal.SIGKILL)

    def kill_forkserver_at(self, point: str) -> None:
        """Kill beta's forkserver while beta stands at a failpoint."""
        self.wait_hit(self.beta, point)
        paglets = {info.pid for info in self.beta.observer.agents()}
        for each in processes(self.beta):
            if each.pid not in paglets:
                os.kill(each.pid, signal.SIGKILL)

    def limit_beta(self, limits: Limits) -> None:
        """Start beta anew with other limits; `relax` ends that."""
        self.beta.restart(limits=limits)
        self.mesh.wait_converged()

    def send_go(self, to: str, *, at: str) -> None:
        """Let it leave the host `at` too, and wait until it has arrived."""
        proxy = self.mesh.client(at).proxy(self.proxy.agent_id, at)
        proxy.send(Message("go", {"to": to}), timeout=PATIENCE)

    def settle(self) -> str:
        """Wait until one host has it; return which."""
        return settle(self.mesh, self.proxy.agent_id)


def _all_lines(host: LocalHost) -> list[str]:
    try:
        return host.failpoint_log.read_text().splitlines()
    except OSError:
        return []


def _lines(host: LocalHost) -> int:
    return len(_all_lines(host))
