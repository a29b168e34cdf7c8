"""Visits every world that a scene of `move_model.py` can come to, and looks for what must not be.

Hosts and messages are numbered, what each does next is computed once per host and message, and the
net is a bit set: so a world is a small tuple, and all of them fit into seconds.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from paglets.model.enums import PagletStatus
from paglets.runtime.lifecycle import LIVING, PROMISED
from tests.unit.runtime.move_model import Actor, Host, Message, Scene, Step, born, peer

T = TypeVar("T", bound=Hashable)
MOST_WORLDS = 3_000_000


class Numbers(Generic[T]):
    """Numbers for things, and things for numbers."""

    def __init__(self) -> None:
        self.things: list[T] = []
        self._numbers: dict[tuple[type[T], T], int] = {}

    def of(self, thing: T) -> int:
        # Messages are tuples: a Get and a Confirm of the same transfer are equal.
        number = self._numbers.setdefault((type(thing), thing), len(self.things))
        if number == len(self.things):
            self.things.append(thing)
        return number


class World(NamedTuple):
    hosts: tuple[int, ...]
    net: int
    moves: int
    spent: frozenset[str]


class Next(NamedTuple):
    """A step with numbers for things."""

    label: str
    host: int
    sends: int
    moves: int
    spends: str | None
    drains: str | None
    is_fault: bool


@dataclass
class Finding:
    """What an exploration came to."""

    violation: str | None
    """What must not be and is; None if all is well."""
    story: list[str]
    """The shortest way there."""
    worlds: int
    stuck: int = 0
    """Worlds from which the paglet never comes to run in one place again, or, in scenes that
    forget, a record is kept for ever."""
    reached: set[str] = field(default_factory=set)
    """Labels of everything that has happened."""


class Explorer:
    """Explores one scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._actors = [Actor(scene, number) for number in range(scene.hosts)]
        self._hosts: Numbers[Host] = Numbers()
        self._messages: Numbers[Message] = Numbers()
        self._alone: dict[tuple[int, int, int, frozenset[str]], list[Next]] = {}
        self._heard: dict[tuple[int, int, int], list[Next]] = {}
        self._drained: dict[tuple[str, int, int], int] = {}
        self._bits: dict[int, list[int]] = {}

    def explore(self) -> Finding:
        """Visit every world; stops at the first one that must not be."""
        start = World(tuple(self._hosts.of(host) for host in born(self.scene)), 0, 0, frozenset())
        came_from: dict[World, tuple[str, World] | None] = {start: None}
        edges: dict[World, list[World]] = {}
        reached: set[str] = set()
        queue = deque([start])
        while queue:
            world = queue.popleft()
            wrong = self._wrong(world)
            if wrong is not None:
                return Finding(wrong, _story(world, came_from), len(came_from))
            healing = edges[world] = []
            for label, other, is_fault in self._steps(world):
                reached.add(label)
                if not is_fault:
                    healing.append(other)
                if other not in came_from:
                    came_from[other] = (label, world)
                    queue.append(other)
            if len(came_from) > MOST_WORLDS:
                raise AssertionError(f"more than {MOST_WORLDS} worlds: make the scene smaller")
        stuck = self._stuck(edges)
        found = Finding(None, [], len(came_from), len(stuck), reached)
        if stuck:
            found.story = _story(stuck[0], came_from)
        return found

    def _steps(self, world: World) -> Iterable[tuple[str, World, bool]]:
        for me, number in enumerate(world.hosts):
            for step in self._steps_alone(me, number, world):
                yield self._after(world, me, step)
            for bit in self._bits_of(world.net):
                for step in self._steps_heard(me, number, bit):
                    yield self._after(world, me, step)

    def _after(self, world: World, me: int, step: Next) -> tuple[str, World, bool]:
        hosts = (*world.hosts[:me], step.host, *world.hosts[me + 1 :])
        net = world.net | step.sends
        if step.drains is not None:
            net &= ~self._drain(step.drains, me, net)
        spent = world.spent if step.spends is None else world.spent | {step.spends}
        after = World(hosts, net, world.moves + step.moves, spent)
        return f"{me}: {step.label}", after, step.is_fault

    def _steps_alone(self, me: int, number: int, world: World) -> list[Next]:
        key = (me, number, world.moves, world.spent)
        if key not in self._alone:
            host = self._hosts.things[number]
            steps = self._actors[me].alone(host, world.moves, world.spent)
            self._alone[key] = [self._numbered(step) for step in steps]
        return self._alone[key]

    def _steps_heard(self, me: int, number: int, bit: int) -> list[Next]:
        key = (me, number, bit)
        if key not in self._heard:
            host, message = self._hosts.things[number], self._messages.things[bit]
            steps = self._actors[me].hears(host, message)
            self._heard[key] = [self._numbered(step) for step in steps]
        return self._heard[key]

    def _numbered(self, step: Step) -> Next:
        sends = 0
        for message in step.sends:
            sends |= 1 << self._messages.of(message)
        return Next(
            step.label,
            self._hosts.of(step.host),
            sends,
            step.moves,
            step.spends,
            step.drains,
            step.is_fault,
        )

    def _bits_of(self, net: int) -> list[int]:
        if net not in self._bits:
            self._bits[net] = [bit for bit in range(net.bit_length()) if net >> bit & 1]
        return self._bits[net]

    def _drain(self, what: str, me: int, net: int) -> int:
        """Return the messages of a transfer, or (`*`) all to and from this host.

        Requests are signed for one run of their target. An answer of a run that is over may only
        be read as if it had been before: a source makes its attempts one after the other.
        """
        gone = 0
        for bit in self._bits_of(net):
            message = self._messages.things[bit]
            if what == "*":
                hit = me in (getattr(message, "to", me), getattr(message, "by", me))
            else:
                hit = getattr(message, "transfer_id", None) == what
            gone |= hit << bit
        return gone

    def _wrong(self, world: World) -> str | None:
        hosts = [self._hosts.things[number] for number in world.hosts]
        copies = [host.running for host in hosts if host.running is not None]
        copies += [host.orphan for host in hosts if host.orphan is not None]
        # An operator's word begins a new term: until the other side hears of it, both may run.
        if len({copy.term for copy in copies}) < len(copies):
            return "two running"
        rows = [host.row for host in hosts if host.row is not None]
        owners = [
            host.row
            for host in hosts
            if host.row is not None
            and host.row.status in LIVING - {PagletStatus.HELD}
            # What lies in a restored folder is held before it counts.
            and not (host.rolled_back and not host.up)
        ]
        if len({row.epoch.term for row in owners}) < len(owners):
            return "two owners"
        for host in hosts:
            if host.running is not None and (host.row is None or host.row.status not in LIVING):
                return "runs without a row of its own"
        for number, row in ((n, h.row) for n, h in enumerate(hosts) if h.row is not None):
            if row.status is PagletStatus.MOVED and row.peer == peer(number):
                return "a tombstone that points at its own host"
        can_be_lost = world.spent & {"dropped", "restored"} or self.scene.kind == "clone"
        if not can_be_lost and not any(r.status in LIVING | PROMISED for r in rows):
            return "lost"
        return None

    def _stuck(self, edges: dict[World, list[World]]) -> list[World]:
        """Return the worlds from which no way without a fault leads to one that is well."""
        backward: dict[World, list[World]] = {}
        for world, others in edges.items():
            for other in others:
                backward.setdefault(other, []).append(world)
        well = [world for world in edges if self._is_well(world)]
        seen, queue = set(well), deque(well)
        while queue:
            for before in backward.get(queue.popleft(), ()):
                if before not in seen:
                    seen.add(before)
                    queue.append(before)
        return [world for world in edges if world not in seen]

    def _is_well(self, world: World) -> bool:
        hosts = [self._hosts.things[number] for number in world.hosts]
        rows = [host.row for host in hosts if host.row is not None]
        if any(row.status in PROMISED for row in rows) or not all(host.up for host in hosts):
            return False
        records = [record for host in hosts for record in host.records]
        if self.scene.forgets and any(record.settled_at is None for record in records):
            return False
        running = sum(host.running is not None for host in hosts)
        # A held row waits for a person: that is well, and nothing runs meanwhile.
        owned = sum(row.status in LIVING - {PagletStatus.HELD} for row in rows)
        may_be_none = world.spent & {"dropped", "restored"} or self.scene.kind == "clone"
        return running == owned and (running == 1 or (running == 0 and bool(may_be_none)))


def _story(world: World, came_from: dict[World, tuple[str, World] | None]) -> list[str]:
    labels: list[str] = []
    while (step := came_from[world]) is not None:
        labels.append(step[0])
        world = step[1]
    return labels[::-1]
