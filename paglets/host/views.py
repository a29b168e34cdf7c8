"""What the HTTP API shows of the runtime, in its own words: events, hosts, health."""

import os
import time
from collections.abc import Callable, Sequence

import msgspec

from paglets._version import __version__
from paglets.host.identity import HostIdentity
from paglets.model.enums import PagletStatus
from paglets.model.errors import InvalidRequestError
from paglets.model.refs import HostRef
from paglets.runtime.eventlog import LEVELS
from paglets.runtime.ports import PeerHosts
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.store.store import Store
from paglets.wire.hostbodies import EventBody, EventList, HealthBody


class EventView:
    """The event log as `/events` shows it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def read(
        self,
        *,
        after: int,
        kind: str | None,
        agent_id: str | None,
        level: str | None,
        limit: int,
    ) -> EventList:
        """Return events above `after`.

        Raises:
            InvalidRequestError: There is no such level.
        """
        if level is not None and level not in LEVELS:
            raise InvalidRequestError(f"level is one of {', '.join(LEVELS)}, not {level!r}")
        page = self._recorder.read(
            after=after, kind=kind, agent_id=agent_id, level=level or "debug", limit=limit
        )
        return EventList(
            events=tuple(
                msgspec.convert(event, EventBody, from_attributes=True) for event in page.events
            ),
            next=page.next,
            missed=page.missed,
        )

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there is an event above `after`, or after `timeout` seconds."""
        await self._recorder.wait(after=after, timeout=timeout)


class HostView:
    """The hosts of the mesh as `/hosts` shows them: this one included."""

    def __init__(self, peers: PeerHosts) -> None:
        self._peers = peers

    def hosts(self) -> Sequence[HostRef]:
        """Return every known host by name."""
        return sorted([self._peers.self_ref(), *self._peers.hosts()], key=lambda host: host.name)

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`."""
        me = self._peers.self_ref()
        return me if name == me.name else self._peers.lookup(name)


class HealthView:
    """How this host is, for `/health` and `/readyz`."""

    def __init__(
        self,
        identity: HostIdentity,
        roster: Roster,
        store: Store,
        *,
        key_id: str | None,
        paglet_limit: int,
        warnings: Callable[[], Sequence[str]],
    ) -> None:
        self._identity = identity
        self._roster = roster
        self._store = store
        self._key_id = key_id
        self._paglet_limit = paglet_limit
        self._warnings = warnings
        self._started = time.time()
        self.status = "starting"
        """`starting`, `ready`, `draining` or `stopping`."""

    @property
    def ready(self) -> bool:
        """Whether API and store are up."""
        return self.status in {"ready", "draining"} and self._store.failure is None

    def drain(self) -> None:
        """Show that the host drains."""
        self.status = "draining"

    def health(self) -> HealthBody:
        """Return everything about it."""
        me, count = self._identity, self._roster.count
        failure = self._store.failure
        return HealthBody(
            name=me.name,
            host_id=me.host_id,
            url=me.url,
            bind=me.bind,
            version=__version__,
            code_version=me.code_version,
            generation=me.generation,
            boots=me.boots,
            key_id=self._key_id,
            started_at=self._started,
            status=self.status,
            active=count(PagletStatus.ACTIVE),
            inactive=count(PagletStatus.INACTIVE),
            in_doubt=count(PagletStatus.MOVING) + count(PagletStatus.CLONING),
            crashed=count(PagletStatus.CRASHED),
            paglet_limit=self._paglet_limit,
            warnings=(*self._warnings(), *([failure] if failure else [])),
            pid=os.getpid(),
            time=time.time(),
        )
