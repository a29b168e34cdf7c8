"""The paglets of this host, in memory: one LocalPaglet a row.

Holds what the drivers share of a paglet: its row as last committed (large states stay in the
store), its mailbox, its process if it has one, and which life-cycle verb is running. It decides
nothing and does no I/O.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from paglets.model.enums import Durability, PagletStatus, RestartPolicy, Verb
from paglets.model.errors import (
    AgentIdTakenError,
    BusyError,
    ConflictError,
    LifecycleError,
    MoveInDoubtError,
    PagletNotFoundError,
    PinnedError,
)
from paglets.model.launch import ResidentService
from paglets.model.manifest import ClassManifest
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.childlink import ChildLink
from paglets.runtime.lifecycle import LIVING, PROMISED
from paglets.runtime.mailbox import Entry, MessageMailbox, Usage
from paglets.store.rows import PagletRow, RememberedOutcome
from paglets.supervise.output import OutputRing
from paglets.wire.bodies import ReplyBody


@dataclass(slots=True, eq=False)
class Work:
    """Who waits for the outcome of a message, and how it is to be remembered."""

    outcome: asyncio.Future[ReplyBody]
    remember_s: float | None = None
    """Seconds to remember the outcome for repeats; None for plain sends."""
    kind: str = ""
    waiters: int = 0
    """Callers that wait for the outcome; the last to go takes a queued message along."""
    limit: asyncio.TimerHandle | None = None
    """Ends a handler that runs longer than `handler_limit`."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


Queued = Entry[Work]
"""A message in a mailbox of this host."""


@dataclass(slots=True, eq=False)
class LocalPaglet:
    """One paglet of this host."""

    row: PagletRow
    """As last committed; `row.state` may be a stale inline copy for tombstones only."""
    mailbox: MessageMailbox[Work]
    link: ChildLink | None = None
    gate_open: bool = False
    """Whether messages may enter the child."""
    verb: Verb | None = None
    """The life-cycle verb that is running."""
    verb_ended: asyncio.Event = field(default_factory=_set_event)
    starting: asyncio.Future[None] | None = None
    """Done when the paglet's process has been started, its owed hook run and the gate opened."""
    running: Queued | None = None
    """The queued message in the child."""
    unqueued: dict[str, Queued] = field(default_factory=dict)
    """UNQUEUED messages in the child."""
    remembered: dict[str, RememberedOutcome] = field(default_factory=dict)
    """Outcomes of messages that may be repeated."""
    unsaved: list[RememberedOutcome] = field(default_factory=list)
    """Those not in the store yet: saved with the next commit of the state."""
    unsaved_done: list[str] = field(default_factory=list)
    """Stored messages that were handled since the last commit of the state."""
    travelled: frozenset[str] = frozenset()
    """Ids of the messages that are in the envelope of the present move."""
    is_packed: bool = False
    """Whether its envelope is made and its promise is being written: what comes now stays here."""
    originals: tuple[str, ...] = ()
    """Registered files to be deleted here once the present move is accepted."""
    output: OutputRing | None = None
    """What its present process printed, or its last one."""
    earlier_output: OutputRing | None = None
    """What its processes before that printed on this host."""
    crashes: list[float] = field(default_factory=list)
    """Unix seconds of its crashes, for the back-off of restarts."""
    resident: ResidentService | None = None
    """What launch.toml says of it, if it is a resident of this host."""
    restart_pending: bool = False
    """Crashed, and to be started again soon by its restart policy: messages wait."""
    watches_queue: bool = False
    """Whether its child has asked to hear of messages queued behind the running one."""
    handing: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """Per sender, the end of the messages that are being handed over to where it moved."""
    wake_timer: asyncio.TimerHandle | None = None
    is_gone: bool = False
    """Disposed, or a clone that was refused: nothing of it is started or written any more."""
    is_crashing: bool = False
    """Whether its crash is being recorded: everybody who waited for its process reports it."""
    committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while its row is written, so that commits are in the order of the states."""
    changed: Callable[["LocalPaglet"], None] = field(default=lambda _paglet: None, repr=False)
    """Told of each row it takes over, and of its end."""

    @property
    def agent_id(self) -> str:
        """Its address."""
        return self.row.agent_id

    def become(self, row: PagletRow) -> None:
        """Take over a row that was just committed."""
        self.row = row
        self.changed(self)

    @property
    def is_message_durable(self) -> bool:
        """Whether state and outcome are committed before each reply leaves."""
        return self.row.manifest.durability is Durability.MESSAGE

    @property
    def restarts(self) -> bool:
        """Whether it is started again after a crash."""
        return self.resident is not None or self.row.manifest.restart is RestartPolicy.ON_CRASH

    def require_movable(self, verb: Verb) -> None:
        """Raise PinnedError if it is a resident: these stay with their host."""
        if self.resident is not None:
            raise PinnedError(
                f"{self.agent_id} is a resident of its host and stays there: it cannot {verb}; "
                "what other hosts run by themselves their own launch.toml says",
                agent_id=self.agent_id,
                verb=str(verb),
            )

    def in_flight(self, message_id: str) -> Queued | None:
        """Return the queued or running message of this id."""
        if self.running is not None and self.running.message_id == message_id:
            return self.running
        return self.unqueued.get(message_id) or self.mailbox.get(message_id)

    def keep_output(self, output: OutputRing) -> None:
        """Take over the output of a new process; what was printed before is kept behind it."""
        if self.output is not None and self.output is not output:
            self.earlier_output = self.earlier_output or OutputRing()
            self.earlier_output.absorb(self.output)
        self.output = output

    async def ready(self, *, timeout: float) -> None:
        """Wait until a start that is under way has ended, one way or the other."""
        starting = self.starting
        if starting is not None and not starting.done():
            await asyncio.wait([starting], timeout=timeout)

    async def idle(self, *, timeout: float) -> None:
        """Wait until neither a start nor a verb is under way.

        Raises:
            TimeoutError: One still is, after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while self.starting is not None or self.verb is not None:
                if self.starting is not None:
                    await asyncio.shield(self.starting)
                await self.verb_ended.wait()

    @contextmanager
    def doing(self, verb: Verb) -> Iterator[None]:
        """Hold this paglet for one life-cycle verb.

        Raises:
            PagletNotFoundError: It was disposed meanwhile.
            BusyError: Another verb runs.
            MoveInDoubtError: It is promised to another host.
        """
        if self.is_gone:
            raise PagletNotFoundError(f"{self.agent_id} was disposed", agent_id=self.agent_id)
        if self.row.status in PROMISED:
            raise MoveInDoubtError(
                f"{self.agent_id} is promised to {self.peer_name}, which has not answered yet: "
                f"`paglets transfer list` shows {self.row.transfer_id}",
                transfer_id=self.row.transfer_id,
                agent_id=self.agent_id,
            )
        if self.verb is not None:
            raise BusyError(
                f"{self.agent_id} is busy with {self.verb}: try {verb} again in a moment",
                agent_id=self.agent_id,
                verb=str(self.verb),
            )
        self.verb = verb
        self.verb_ended.clear()
        try:
            yield
        finally:
            self.verb = None
            self.verb_ended.set()

    def require(self, verb: Verb, *statuses: PagletStatus, story: list[str]) -> None:
        """Raise LifecycleError unless its status is one of `statuses`."""
        if self.row.status not in statuses:
            raise LifecycleError(
                f"{self.agent_id} is {self.row.status}, so it cannot {verb}"
                + (f": {self.row.error}" if self.row.error else ""),
                agent_id=self.agent_id,
                agent_status=str(self.row.status),
                story=story,
            )

    @property
    def peer_name(self) -> str:
        """Name of the host it moves or moved to."""
        return self.row.peer.name if self.row.peer is not None else "?"


class Roster:
    """All paglets of a host by id, tombstones included. One per host, used from its loop."""

    def __init__(self, me: PeerAddress, usage: Usage | None = None) -> None:
        self.me = me
        """Where this host is now; replaced when the network gives it another address."""
        self._usage = usage or Usage()
        self._paglets: dict[str, LocalPaglet] = {}
        self._coming: list[tuple[str, str]] = []
        """Class and id of each paglet of a singleton class that is being made or taken in."""
        self.resident_classes: Mapping[str, str] = {}
        """Classes of this host's residents, each with the id of the one there is to be."""
        self.changed: Callable[[LocalPaglet], None] = _nothing
        """Told of each paglet that has a new row, or is gone; set by the composition root."""

    def __iter__(self) -> Iterator[LocalPaglet]:
        return iter(list(self._paglets.values()))

    def __len__(self) -> int:
        return len(self._paglets)

    def find(self, agent_id: str) -> LocalPaglet | None:
        """Return the paglet or tombstone of this id."""
        return self._paglets.get(agent_id)

    def get(self, agent_id: str) -> LocalPaglet:
        """Return the paglet or tombstone of this id, or raise PagletNotFoundError."""
        found = self._paglets.get(agent_id)
        if found is None:
            raise PagletNotFoundError(
                f"{self.me.name} knows no paglet {agent_id}: "
                "`paglets agent list` shows those of the mesh",
                agent_id=agent_id,
            )
        return found

    def put(self, row: PagletRow) -> LocalPaglet:
        """Take in a committed row: a new paglet, or the present one with this row."""
        present = self._paglets.get(row.agent_id)
        if present is None:
            present = LocalPaglet(row, MessageMailbox(self._usage), changed=self._note)
            self._paglets[row.agent_id] = present
        present.become(row)
        return present

    def drop(self, agent_id: str) -> None:
        """Forget a paglet whose row is gone."""
        gone = self._paglets.pop(agent_id, None)
        if gone is not None:
            gone.is_gone = True
            self.changed(gone)

    def _note(self, paglet: LocalPaglet) -> None:
        self.changed(paglet)

    def ref(self, paglet: LocalPaglet) -> PagletProxyRef:
        """Return the present address of a paglet: here, or where its tombstone points."""
        row = paglet.row
        here = self.here(row)
        place = row.peer
        if row.status in LIVING or place is None:
            return here
        return replace(here, host_url=place.url, host_id=place.host_id, host_name=place.name)

    def is_here(self, ref: PagletProxyRef) -> bool:
        """Whether this host answers for the paglet of a reference: it has it, or knows where it is.

        A fixed id may be in use on several hosts; a paglet here is not the one that is meant where
        both births are known and differ.
        """
        found = self._paglets.get(ref.agent_id)
        if ref.host_id == self.me.host_id or ref.host_url in {"", self.me.url}:
            return True
        return found is not None and ref.birth_id in {"", found.row.birth_id}

    def here(self, row: PagletRow) -> PagletProxyRef:
        """Return the address that `row` has on this host."""
        return PagletProxyRef(
            host_url=self.me.url,
            agent_id=row.agent_id,
            host_id=self.me.host_id,
            host_name=self.me.name,
            epoch=row.epoch,
            birth_id=row.birth_id,
        )

    def readdress(self, url: str) -> None:
        """Give out another URL for the paglets of this host from now on."""
        self.me = self.me._replace(url=url)
        for paglet in self:
            self.changed(paglet)

    def require_free(self, agent_id: str) -> None:
        """Raise AgentIdTakenError if a paglet of this host has this id."""
        found = self._paglets.get(agent_id)
        if found is not None and found.row.status is not PagletStatus.MOVED:
            raise AgentIdTakenError(
                f"{self.me.name} has a paglet {agent_id} already ({found.row.status})",
                agent_id=agent_id,
            )

    def require_alone(self, manifest: ClassManifest, agent_id: str) -> None:
        """Raise ConflictError if this host has another paglet of a class it may have one of.

        A resident's place is its own before its row is made, which may take a while. A clone that
        is promised to another host is none of this one.

        Args:
            manifest: Of the class.
            agent_id: Of the paglet that is to be here too.
        """
        name = manifest.class_name
        if self.resident_classes.get(name, agent_id) != agent_id:
            raise _one_too_many(self.me.name, name, self.resident_classes[name])
        if not _is_single(manifest):
            return
        coming = [each for each in self._coming if each[0] == name and each[1] != agent_id]
        if coming:
            raise _one_too_many(self.me.name, name, coming[0][1])
        for paglet in self._paglets.values():
            row = paglet.row
            if row.manifest.class_name != name or row.agent_id == agent_id:
                continue
            if row.status not in {PagletStatus.MOVED, PagletStatus.CLONING}:
                raise _one_too_many(self.me.name, name, row.agent_id)

    @contextmanager
    def alone(self, manifest: ClassManifest, agent_id: str) -> Iterator[None]:
        """Hold the place of a class that this host may have one of, until a paglet has its row.

        The same paglet may hold it several times, by offers of several moves.

        Raises:
            ConflictError: There is one already, or one is being made or taken in.
        """
        self.require_alone(manifest, agent_id)
        if not _is_single(manifest):
            yield
            return
        held = (manifest.class_name, agent_id)
        self._coming.append(held)
        try:
            yield
        finally:
            self._coming.remove(held)

    def count(self, status: PagletStatus) -> int:
        """Return how many paglets have this status."""
        return sum(1 for paglet in self._paglets.values() if paglet.row.status is status)


def _nothing(_paglet: LocalPaglet) -> None:
    """Nobody asked to be told."""


def _is_single(manifest: ClassManifest) -> bool:
    return manifest.auto_start is not None and manifest.auto_start.singleton


def _one_too_many(host: str, class_name: str, agent_id: str) -> ConflictError:
    return ConflictError(
        f"{host} has a {class_name} already ({agent_id}), and may have only one",
        agent_id=agent_id,
        class_name=class_name,
    )
