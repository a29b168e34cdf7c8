"""The mesh of a running host: one task that drives the engine over a transport.

Decides nothing: what to say and whom to believe is the engine's (`protocol.py`); how bytes are
carried and signed is the transport's (`paglets.remote`). Everything runs on one event loop; nothing
here may be called from another thread. A peer that accepts and never answers costs one pending call
with a deadline and slows nobody.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random, SystemRandom

from paglets.mesh.calls import Calls, MeshTransport, Resolver
from paglets.mesh.directory import (
    COUNTS_KIND,
    Directory,
    Explain,
    MeshRecord,
    encode_counts,
    is_usable,
    name_both,
)
from paglets.mesh.instructions import (
    JOIN_PATH,
    Answer,
    Instruction,
    Notify,
    NotifySelf,
    Resolve,
    Send,
)
from paglets.mesh.messages import Frame, Identity, Join, check_url, decode_frame, encode_frame
from paglets.mesh.notices import MeshEvent, Notices, Subscriber
from paglets.mesh.own_records import PAYLOAD_LIMIT_BYTES
from paglets.mesh.protocol import Protocol
from paglets.mesh.seeds import parse_seed, resolve_seed
from paglets.mesh.statistics import MeshStatistics
from paglets.mesh.timing import LAN, MeshTiming
from paglets.model.errors import (
    DeadlineError,
    ForbiddenError,
    InvalidRequestError,
    TooLargeError,
    UnavailableError,
)
from paglets.model.names import parse_name
from paglets.model.refs import HostRef

log = logging.getLogger(__name__)

__all__ = ["Mesh", "MeshEvent", "MeshOptions", "MeshTransport"]

KEY_LIMIT = 256
"""Longest key of a record, in characters."""


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """What a Mesh needs besides its identity; the defaults are the real ones."""

    timing: MeshTiming = LAN
    seeds: tuple[str, ...] = ()
    """As people write them, see `seeds.parse_seed`."""
    resolve: Resolver = resolve_seed
    """Finds the URLs behind a seed's URL."""
    clock: Callable[[], float] = time.monotonic
    """Seconds that only grow; never compared with another host's."""
    wall_clock: Callable[[], float] = time.time
    """Unix seconds, for `HostRef.last_seen` only."""
    random: Random = field(default_factory=SystemRandom)
    explain: Explain = name_both
    """Says how the code of two hosts differs."""


class Mesh:
    """One host's membership. Made before the loop runs; `start` and the rest need the loop."""

    def __init__(
        self, identity: Identity, transport: MeshTransport, options: MeshOptions | None = None
    ) -> None:
        self._options = options or MeshOptions()
        seeds = tuple(parse_seed(seed) for seed in self._options.seeds)
        now = self._options.clock()
        self._protocol = Protocol(identity, self._options.timing, seeds, self._options.random, now)
        self.directory = Directory(
            self._protocol,
            self._options.clock,
            self._options.wall_clock,
            self._options.explain,
        )
        self._notices = Notices(self.directory)
        self._calls = Calls(
            self._protocol, transport, self._options.resolve, self._options.clock, self._run
        )
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._last_request = 0
        self._driver: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def identity(self) -> Identity:
        """What this host says of itself; its generation may have been raised at a join."""
        return self._protocol.table.identity

    @property
    def statistics(self) -> MeshStatistics:
        """Counters since the start."""
        return self._protocol.statistics

    @property
    def reachability_warning(self) -> str | None:
        """Set while a seed says that it cannot reach this host at what it advertises."""
        return self._notices.reachability_warning

    @property
    def rolled_back(self) -> bool:
        """Whether a peer remembers a later start of this data folder: it was restored."""
        return self._notices.remembered_boots > 0

    @property
    def remembered_boots(self) -> int:
        """With `rolled_back`: the starts of this data folder that the peer remembers."""
        return self._notices.remembered_boots

    @property
    def seed_errors(self) -> dict[str, str]:
        """Why seeds could not be joined, by URL; empty if all is well."""
        return dict(self._calls.seed_errors)

    async def start(self) -> None:
        """Begin to gossip. Seeds are tried in the background, for ever; nothing is awaited."""
        self._driver = asyncio.create_task(self._drive(), name="mesh")

    async def leave(self) -> None:
        """Say good-bye and wait until it is told, at most `leave_timeout` s; then `stop`."""
        if self._driver is None:
            return
        timing, clock = self._options.timing, self._options.clock
        end = clock() + timing.leave_timeout
        self._run(self._protocol.leave(clock()))
        while (self._calls.tasks or self._protocol.has_news) and clock() < end:
            pause = min(timing.gossip_interval, max(0.0, end - clock()))
            if self._calls.tasks:
                await asyncio.wait(self._calls.tasks, timeout=pause)
            else:
                await asyncio.sleep(pause)
        await self.stop()

    async def stop(self) -> None:
        """End at once without a word; calls under way are cancelled. May be called twice."""
        driver, self._driver = self._driver, None
        ending = [*self._calls.tasks, *([driver] if driver is not None else [])]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=5.0)
        for future in self._answers.values():
            future.cancel()

    async def handle(self, path: str, body: bytes, *, sender_host_id: str | None) -> bytes:
        """Answer a request of another host to `/mesh/join` or `/mesh/gossip`.

        Args:
            path: Which of the two.
            body: As received.
            sender_host_id: Who signed it; None where nothing is signed (`--insecure`).

        Raises:
            InvalidRequestError: The body is no frame for this path.
            ForbiddenError: The frame is not of the host that signed it.
            UnavailableError: This mesh is not running.
            DeadlineError: A call made for the answer took too long.
        """
        if self._driver is None:
            raise UnavailableError("the mesh of this host is not running")
        frame = decode_frame(body)
        if sender_host_id is not None and frame.sender != sender_host_id:
            raise ForbiddenError(f"host {sender_host_id} signed a frame of {frame.sender}")
        if isinstance(frame.body, Join) is not (path == JOIN_PATH):
            raise InvalidRequestError(f"a {type(frame.body).__name__} does not belong to {path}")
        self.statistics.bytes_received += len(body)
        self._last_request += 1
        request, future = self._last_request, asyncio.get_running_loop().create_future()
        self._answers[request] = future
        try:
            self._run(self._protocol.receive(request, frame, self._options.clock()))
            async with asyncio.timeout(self._options.timing.push_pull_timeout):
                answer = encode_frame(await future)
        except TimeoutError as error:
            raise DeadlineError("the answer to this mesh request took too long") from error
        finally:
            del self._answers[request]
        self.statistics.bytes_sent += len(answer)
        return answer

    def hosts(self) -> list[HostRef]:
        """Return all known hosts by name, this one and the dead included."""
        return self.directory.hosts()

    def usable_hosts(self) -> list[HostRef]:
        """Return the hosts to which paglets may go: online, same code, this one included."""
        return self.directory.usable_hosts()

    def lookup(self, name: str) -> HostRef | None:
        """Return the host of a name: a live one before others, then the newest generation."""
        return self.directory.lookup(name)

    def by_id(self, host_id: str) -> HostRef | None:
        """Return a host by its id."""
        return self.directory.by_id(host_id)

    async def wait_for_host(self, name: str, timeout: float) -> HostRef:
        """Wait until a host of this name may be used, and return it.

        Raises:
            DeadlineError: There was none within `timeout` seconds; says what is known of it.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    ref = self.lookup(name)
                    if ref is not None and is_usable(ref):
                        return ref
                    await self._notices.changed.wait()
        except TimeoutError as error:
            ref = self.lookup(name)
            state = "is unknown" if ref is None else ref.error or f"is {ref.status}"
            known = ", ".join(sorted({each.name for each in self.usable_hosts()}))
            raise DeadlineError(
                f"host {name} {state} after {timeout} s; usable hosts: {known}", name=name
            ) from error

    async def wait_change(self, timeout: float) -> bool:
        """Wait until anything about any host or record changes; False after `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._notices.changed.wait()
                return True
        return False

    def set_record(self, kind: str, key: str, payload: bytes | None, *, lazy: bool = False) -> None:
        """Tell the mesh a small value of this host; None withdraws it.

        It is everywhere within seconds, is repeated to newcomers, and dies with this host's life.

        Args:
            kind: What it is, a name: `service`, `load`.
            key: Which one of its kind.
            payload: At most 4096 bytes.
            lazy: For figures that change all the time: told on probes only, spaced out.

        Raises:
            InvalidNameError: `kind` is no name.
            TooLargeError: `key` or `payload` is too long, or this host has too many records.
        """
        parse_name(kind, what="record kind")
        if len(key) > KEY_LIMIT or len(payload or b"") > PAYLOAD_LIMIT_BYTES:
            raise TooLargeError(
                f"record {kind} {key[:80]!r}: at most {KEY_LIMIT} characters of key and "
                f"{PAYLOAD_LIMIT_BYTES} bytes of payload"
            )
        now = self._options.clock()
        self._run(self._protocol.set_record(kind, key, payload, now, lazy=lazy))

    def records(self, kind: str, prefix: str = "") -> list[MeshRecord]:
        """Return the records of a kind of all live hosts, this one included.

        Args:
            kind: What they are.
            prefix: What their keys begin with.
        """
        return self.directory.records(kind, prefix)

    def all_records(self) -> list[MeshRecord]:
        """Return the records of every kind of all live hosts, this one included."""
        return self.directory.all_records()

    def record(self, host_id: str, kind: str, key: str = "") -> MeshRecord | None:
        """Return one record of a live host, None where it has told none."""
        return self.directory.record(host_id, kind, key)

    def set_counts(self, active: int, inactive: int) -> None:
        """Tell the mesh how many paglets this host has; cheap to call at every change."""
        self.set_record(COUNTS_KIND, "", encode_counts(active, inactive), lazy=True)

    def update(self, identity: Identity) -> None:
        """Change what this host says of itself; id and generation stay as they are."""
        self._run(self._protocol.update(identity, self._options.clock()))

    def hint(self, url: str) -> None:
        """Try a join at a URL learned from a beacon, unless a live member has it.

        Raises:
            ValueError: It is no URL a host would advertise.
        """
        check_url(url)
        self._run(self._protocol.resolved((url,), self._options.clock()))

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` on this loop after every change; return what ends that.

        It must not block. What it raises is logged.
        """
        return self._notices.subscribe(callback)

    async def _drive(self) -> None:
        clock = self._options.clock
        while True:
            delay = self._protocol.deadline - clock()
            if delay <= 0:
                await self._tick()
                continue
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()

    async def _tick(self) -> None:
        try:
            self._run(self._protocol.tick(self._options.clock()))
        except Exception:  # border: a defect in one tick must not end the membership of this host
            log.exception("mesh tick failed host=%s", self.identity.name)
            await asyncio.sleep(self._options.timing.probe_interval)
        await asyncio.sleep(0)

    def _run(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Send():
                    self._calls.send(instruction)
                case Resolve():
                    self._calls.resolve(instruction.seed)
                case Answer():
                    future = self._answers.get(instruction.request)
                    if future is not None and not future.done():
                        future.set_result(instruction.frame)
                case Notify():
                    self._notices.notify(instruction)
                case NotifySelf():
                    own = self._protocol.table.members[self.identity.host_id]
                    self._notices.notify_self(instruction, own)
        self._wake.set()
