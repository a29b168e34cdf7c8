"""Whole meshes in one process: the real protocol engine, a virtual clock and a faulty network.

A thousand hosts for a minute take seconds. What is simulated is only time and transport; every
decision is the product's own. Each host has a clock of its own with another zero, so a comparison
of two hosts' clocks would show. Runs with the same seed are the same.
"""

from collections.abc import Callable, Iterable
from random import Random

from paglets.mesh.instructions import Answer, Instruction, Notify, NotifySelf, Resolve, Send
from paglets.mesh.members import MemberEvent
from paglets.mesh.messages import Alive, Frame, Identity, encode_frame
from paglets.mesh.protocol import Protocol
from paglets.mesh.table import Table
from paglets.mesh.timing import LAN, MeshTiming
from paglets.testing.clock import VirtualClock
from paglets.testing.network import Faults, name_of, url_of

REQUEST_OVERHEAD_BYTES = 255
"""Request line and headers of a signed HTTP request."""
ANSWER_OVERHEAD_BYTES = 125
"""Status line and headers of its answer."""

Work = tuple[Callable[..., None], tuple[object, ...]]


class SimulatedHost:
    """A host of a SimulatedMesh, in one of its lives."""

    def __init__(self, identity: Identity, protocol: Protocol, skew: float) -> None:
        self.identity = identity
        self.protocol = protocol
        self.skew = skew
        """What this host's clock shows more than the simulation's, in seconds."""
        self.is_running = True
        """False once killed."""
        self.refuses = False
        """After its death connections are refused, instead of never answered."""
        self.backlog: list[Work] | None = None
        """What waits while the host is paused; None while it runs."""
        self.bytes_sent = 0
        """Requests and answers of this host, HTTP headers included."""
        self.events: list[tuple[float, MemberEvent]] = []
        """What it noticed, by the simulation's time."""
        self.notices: list[NotifySelf] = []
        """What it was told of itself."""
        self.tick_at = float("inf")

    @property
    def name(self) -> str:
        """Its name, which it keeps through restarts."""
        return self.identity.name

    @property
    def table(self) -> Table:
        """What it believes."""
        return self.protocol.table


class SimulatedMesh:
    """Hosts `h0` … on one network. All times are seconds of the simulation."""

    def __init__(
        self,
        hosts: int = 0,
        *,
        seed: int = 0,
        timing: MeshTiming = LAN,
        faults: Faults | None = None,
        is_formed: bool = True,
    ) -> None:
        """Make a mesh.

        Args:
            hosts: How many to begin with.
            seed: Decides everything that is random.
            timing: The knobs of all hosts.
            faults: The network; a good one by default.
            is_formed: They know each other from the start; else they join through `h0`.
        """
        self.clock = VirtualClock()
        self.faults = faults or Faults(seed)
        self.hosts: dict[str, SimulatedHost] = {}
        self._timing = timing
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._requests: dict[int, tuple[SimulatedHost, Send, float]] = {}
        self._last_request = 0
        names = [f"h{number}" for number in range(hosts)]
        seeds = tuple(url_of(name) for name in names[:1])
        for name in names:
            self.start(name, seeds=() if is_formed else seeds)
        if is_formed and hosts:
            self._acquaint()

    @property
    def running(self) -> list[SimulatedHost]:
        """Hosts that have not been killed, paused ones included."""
        return [host for host in self.hosts.values() if host.is_running]

    def start(
        self,
        name: str,
        *,
        seeds: Iterable[str] = (),
        url: str | None = None,
        host_id: str | None = None,
        generation: int | None = None,
        boots: int = 0,
    ) -> SimulatedHost:
        """Start a host, again if it ran before: same id, next generation, unless given."""
        before = self.hosts.get(name)
        if before is not None:
            before.is_running = False
            host_id = host_id or before.identity.host_id
            generation = generation or before.table.identity.generation + 1
        made_id = f"{self._random.getrandbits(64):016x}"
        made_generation = 1_700_000_000_000 + self._random.randrange(10**6)
        identity = Identity(
            host_id or made_id,
            name,
            url or url_of(name),
            generation or made_generation,
            boots=boots,
        )
        skew = self._random.random() * 1e5
        engine_random = Random(self._random.getrandbits(64))  # noqa: S311 - a simulation
        now = self.clock.now + skew
        protocol = Protocol(identity, self._timing, tuple(seeds), engine_random, now)
        host = SimulatedHost(identity, protocol, skew)
        self.hosts[name] = host
        self._plan(host)
        return host

    def kill(self, name: str, *, refuses: bool = False) -> None:
        """End a host without a word."""
        host = self.hosts[name]
        host.is_running, host.refuses = False, refuses

    def leave(self, name: str) -> None:
        """Let a host say good-bye; it ends when the time to leave is over."""
        host = self.hosts[name]
        self._act(host, host.protocol.leave(self._local(host)))
        self.clock.call_later(self._timing.leave_timeout, self.kill, name)

    def pause(self, name: str) -> None:
        """Stop a host as SIGSTOP does: it accepts, and does nothing."""
        if self.hosts[name].backlog is None:
            self.hosts[name].backlog = []

    def resume(self, name: str) -> None:
        """Let a paused host go on: it finds everything that came meanwhile."""
        host = self.hosts[name]
        backlog, host.backlog = host.backlog or [], None
        for action, args in backlog:
            action(*args)
        host.tick_at = float("inf")
        self._plan(host)

    def set_record(
        self, name: str, kind: str, key: str, payload: bytes | None, *, lazy: bool = False
    ) -> None:
        """Set a record of a host."""
        host = self.hosts[name]
        now = self._local(host)
        self._act(host, host.protocol.set_record(kind, key, payload, now, lazy=lazy))

    def update(self, name: str, identity: Identity) -> None:
        """Change what a host says of itself."""
        host = self.hosts[name]
        self._act(host, host.protocol.update(identity, self._local(host)))

    def run(self, seconds: float) -> None:
        """Let a time pass."""
        self.clock.run_for(seconds)

    def run_until(self, is_done: Callable[[], bool], limit: float, step: float = 0.1) -> float:
        """Let time pass until something holds; return how many seconds that took.

        Args:
            is_done: Asked after every `step` seconds.
            limit: Seconds after which to give up.
            step: Seconds between two looks.

        Raises:
            AssertionError: It did not hold within `limit`.
        """
        start = self.clock.now
        while not is_done():
            if self.clock.now - start >= limit:
                raise AssertionError(f"not so within {limit} simulated seconds")
            self.clock.run_for(step)
        return self.clock.now - start

    def is_agreed(self) -> bool:
        """Return whether all running hosts believe exactly the running hosts to be there."""
        running = self.running
        digests = {host.table.digest for host in running}
        return len(digests) <= 1 and all(h.table.live == len(running) for h in running)

    def believers(self, subject: SimulatedHost) -> int:
        """Return how many running hosts believe a life of a host to be there."""
        found = 0
        for host in self.running:
            member = host.table.members.get(subject.identity.host_id)
            found += (
                member is not None
                and member.is_live
                and member.generation == subject.identity.generation
            )
        return found

    def _acquaint(self) -> None:
        first = next(iter(self.hosts.values()))
        for host in self.hosts.values():
            identity = host.identity
            first.table.apply(Alive(identity.host_id, identity.generation, 0, identity), 0.0)
        ids = [host.identity.host_id for host in self.hosts.values()]
        for host in self.hosts.values():
            host.protocol.adopt(first.table, ids)

    def _local(self, host: SimulatedHost) -> float:
        return self.clock.now + host.skew

    def _plan(self, host: SimulatedHost) -> None:
        due = host.protocol.deadline - host.skew
        if due < host.tick_at:
            host.tick_at = due
            self.clock.call_at(due, self._tick, host, due)

    def _tick(self, host: SimulatedHost, planned: float) -> None:
        if planned != host.tick_at or host.backlog is not None or not host.is_running:
            return
        host.tick_at = float("inf")
        now = self._local(host)
        if host.protocol.deadline <= now + 1e-9:
            self._act(host, host.protocol.tick(max(now, host.protocol.deadline)))
        else:
            self._plan(host)

    def _act(self, host: SimulatedHost, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Send):
                self._send(host, instruction)
            elif isinstance(instruction, Answer):
                self._answer(host, instruction)
            elif isinstance(instruction, Notify):
                host.events.append((self.clock.now, instruction.event))
            elif isinstance(instruction, Resolve):
                urls = (instruction.seed,)
                self._act(host, host.protocol.resolved(urls, self._local(host)))
            else:
                host.notices.append(instruction)
        self._plan(host)

    def _send(self, host: SimulatedHost, send: Send) -> None:
        host.bytes_sent += len(encode_frame(send.frame)) + REQUEST_OVERHEAD_BYTES
        deadline = self.clock.now + send.timeout
        arrivals = self.faults.fate(host.name, name_of(send.url))
        if not arrivals:
            self.clock.call_at(deadline, self._fail, host, send.call, "no answer")
        for seconds in arrivals:
            self.clock.call_later(seconds, self._deliver, host, send, deadline)

    def _deliver(self, source: SimulatedHost, send: Send, deadline: float) -> None:
        target = self.hosts.get(name_of(send.url))
        if target is None or not target.is_running:
            refuses = target is None or target.refuses
            when = self.clock.now if refuses else deadline
            self.clock.call_at(when, self._fail, source, send.call, "refused")
            return
        if target.backlog is not None:
            target.backlog.append((self._deliver, (source, send, deadline)))
            self.clock.call_at(deadline, self._fail, source, send.call, "no answer")
            return
        self._last_request += 1
        request = self._last_request
        self._requests[request] = (source, send, deadline)
        self._act(target, target.protocol.receive(request, send.frame, self._local(target)))
        if request in self._requests:
            self.clock.call_at(deadline, self._expire, request)

    def _expire(self, request: int) -> None:
        source, send, _ = self._requests.pop(request, (None, None, 0.0))
        if source is not None and send is not None:
            self._fail(source, send.call, "no answer")

    def _answer(self, host: SimulatedHost, answer: Answer) -> None:
        source, send, deadline = self._requests.pop(answer.request, (None, None, 0.0))
        if source is None or send is None:
            return
        host.bytes_sent += len(encode_frame(answer.frame)) + ANSWER_OVERHEAD_BYTES
        arrivals = self.faults.fate(host.name, source.name)
        if not arrivals or self.clock.now + arrivals[0] > deadline:
            self.clock.call_at(deadline, self._fail, source, send.call, "no answer")
            return
        for seconds in arrivals:
            self.clock.call_later(seconds, self._answered, source, send.call, answer.frame)

    def _answered(self, host: SimulatedHost, call: int, frame: Frame) -> None:
        if host.backlog is not None:
            host.backlog.append((self._answered, (host, call, frame)))
        elif host.is_running:
            self._act(host, host.protocol.answered(call, frame, self._local(host)))

    def _fail(self, host: SimulatedHost, call: int, reason: str) -> None:
        if host.backlog is not None:
            host.backlog.append((self._fail, (host, call, reason)))
        elif host.is_running:
            self._act(host, host.protocol.failed(call, reason, self._local(host)))
