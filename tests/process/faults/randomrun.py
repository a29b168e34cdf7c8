"""A random run: paglets that move and get messages while hosts are killed, paused and cut off.

All that is random is drawn from one seed before anything runs: which paglet moves where in which
order, who writes to whom, and above all the schedule of faults. Threads and processes interleave as
they do; what must hold holds for every interleaving.
"""

import os
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from paglets.agent.proxy import PagletProxy
from paglets.connect import Client, connect
from paglets.model.errors import InternalError, PagletsError
from paglets.model.refs import PagletProxyRef
from paglets.testing.cutproxy import Fault, FaultKind
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from tests.process.faults.scene import OFFER
from tests.process.faults.support import put

RETRY_FOR = 60.0
"""Seconds for which a sender tries to have one message handled."""
STEP_LIMIT = 100.0
"""Seconds one call may take before the run counts as hung."""


class Trouble(StrEnum):
    """What may befall a host."""

    KILL = "kill"
    PAUSE = "pause"
    CUT = "cut"
    HANG = "hang"
    LOSE_ANSWERS = "lose answers to offers"
    HALVE = "halve offers"
    KILL_CHILDREN = "kill some of its paglets' processes"


@dataclass(frozen=True)
class Misfortune:
    """One entry of the schedule."""

    trouble: Trouble
    host: str
    lasts: float
    """Seconds."""
    rest: float
    """Seconds of peace after it."""


def schedule(seed: int, hosts: list[str], count: int) -> list[Misfortune]:
    """Return the faults of a run: the same for the same seed."""
    draw = random.Random(f"faults {seed}")
    return [
        Misfortune(
            draw.choice(list(Trouble)),
            draw.choice(hosts),
            round(draw.uniform(0.3, 2.0), 2),
            round(draw.uniform(0.2, 1.2), 2),
        )
        for _ in range(count)
    ]


class Run:
    """Everything that goes on in a random run; its threads end with `finish`.

    Args:
        mesh: Proxied, running.
        seed: Of all choices.
        paglets: How many ledgers.
    """

    def __init__(self, mesh: LocalMesh, seed: int, *, paglets: int) -> None:
        self.mesh = mesh
        self.seed = seed
        self.attempted = 0
        self.errors: dict[str, int] = defaultdict(int)
        """Failed calls by error class."""
        self.acknowledged: dict[tuple[str, str], list[int]] = defaultdict(list)
        """By sender and agent id."""
        self.unforeseen: list[str] = []
        """What InternalErrors said."""
        self.unknown = 0
        """Messages whose sender was told nothing."""
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._broken: list[BaseException] = []
        self._clients = [_client(host) for host in mesh]
        self._refs = [self._create(number) for number in range(paglets)]
        self.agent_ids = [ref.agent_id for ref in self._refs]

    def _create(self, number: int) -> PagletProxyRef:
        client = self._clients[number % len(self._clients)]
        return client.create("ledger:Phoenix").ref()

    def start(self, *, movers: int, senders: int) -> None:
        """Let them move and write."""
        for number in range(movers):
            self._thread(self._move, f"mover {number}")
        for number in range(senders):
            self._thread(self._send, f"sender {number}")

    def _thread(self, work: Callable[[str, random.Random], None], name: str) -> None:
        def run() -> None:
            try:
                work(name, random.Random(f"{name} {self.seed}"))
            except BaseException as error:
                self._broken.append(error)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        self._threads.append(thread)

    def _proxies(self, name: str) -> list[PagletProxy]:
        client = self._clients[int(name.split()[1]) % len(self._clients)]
        return [client.proxy(ref) for ref in self._refs]

    def _move(self, name: str, draw: random.Random) -> None:
        proxies, hosts = self._proxies(name), [host.name for host in self.mesh]
        while not self._stopping.is_set():
            proxy, to = draw.choice(proxies), draw.choice(hosts)
            self.attempted += 1
            try:
                proxy.dispatch(to)
            except PagletsError as error:
                self._note(error)
                self._stopping.wait(0.05)

    def _send(self, name: str, draw: random.Random) -> None:
        proxies = self._proxies(name)
        next_number: dict[str, int] = defaultdict(lambda: 1)
        while not self._stopping.is_set():
            proxy = draw.choice(proxies)
            number = next_number[proxy.agent_id]
            next_number[proxy.agent_id] += 1
            try:
                put(proxy, number, sender=name, retry_for=RETRY_FOR)
            except PagletsError as error:
                self._note(error)
                self.unknown += 1
            else:
                self.acknowledged[name, proxy.agent_id].append(number)
            self._stopping.wait(0.01)

    def _note(self, error: PagletsError) -> None:
        self.errors[type(error).__name__] += 1
        if isinstance(error, InternalError):
            # A fault is no reason for a 500: what was not foreseen is to be mended.
            self.unforeseen.append(error.message)

    def befall(self, misfortune: Misfortune) -> None:
        """Let one thing go wrong, for as long as it lasts, and mend it."""
        host = self.mesh[misfortune.host]
        mend = self._break(misfortune.trouble, host)
        self._stopping.wait(misfortune.lasts)
        mend()
        self._stopping.wait(misfortune.rest)

    def _break(self, trouble: Trouble, host: LocalHost) -> Callable[[], None]:
        """Begin a fault; return what ends it."""
        proxy = self.mesh.proxy(host.name)
        mend: Callable[[], None] = self.mesh.heal
        match trouble:
            case Trouble.KILL:
                host.kill()
                mend = host.start
            case Trouble.PAUSE:
                host.pause()
                mend = host.resume
            case Trouble.CUT:
                self.mesh.cut(host.name)
            case Trouble.HANG:
                self.mesh.hang(host.name)
            case Trouble.LOSE_ANSWERS:
                proxy.apply(Fault(FaultKind.LOSE_ANSWERS, on=OFFER))
            case Trouble.HALVE:
                proxy.apply(Fault(FaultKind.HALF, on=OFFER, bytes=700))
            case Trouble.KILL_CHILDREN:
                self._kill_children(host)
        return mend

    def _kill_children(self, host: LocalHost) -> None:
        with suppress(PagletsError):
            for info in host.observer.agents()[:3]:
                if info.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(info.pid, signal.SIGKILL)

    def finish(self) -> None:
        """Stop everybody and wait for what they are in the middle of.

        Raises:
            BaseException: What a thread broke on, other than an error of paglets.
        """
        self._stopping.set()
        for thread in self._threads:
            thread.join(STEP_LIMIT)
            assert not thread.is_alive(), f"{thread.name} hangs"
        for client in self._clients:
            client.close()
        for error in self._broken:
            raise error


def _client(host: LocalHost) -> Client:
    # One of its own: that of the mesh ends with each kill of its host.
    return connect(f"http://127.0.0.1:{host.settings.port}", key_file=host.settings.key_file)
