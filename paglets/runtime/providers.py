"""Which paglets of this host can serve calls: their offers, as current as the roster.

A paglet offers what its class declares in `services` and what it advertises by itself, while it
runs or sleeps such that a call wakes it. One that moves keeps its offers for a while, since its
messages wait or are sent after it, and the word of the host it went to must not come too late. What
a paglet advertised by itself is over when it leaves, crashes or ends.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from paglets.mesh.notices import MeshEvent
from paglets.model.enums import PagletStatus
from paglets.model.manifest import ClassManifest, ContractManifest
from paglets.model.refs import PagletProxyRef
from paglets.runtime.recorder import Recorder
from paglets.runtime.registry import Offer, Registry, Source
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.store.rows import PagletRow
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import AdvertiseCall
from paglets.wire.servicerecords import SERVICE_KIND, decode_service, encode_service

MOVING_LINGER = 5.0
"""Seconds for which a paglet on its way is still offered; longer, it is in doubt."""
MOVED_LINGER = 1.0
"""Seconds for which one that has moved is: until the gossip of its new host is here."""


class Serving(Enum):
    """Whether a paglet of this host serves calls."""

    YES = "yes"
    ASLEEP = "asleep"
    """Not while nothing wakes it."""
    LEAVING = "leaving"
    """It is on its way; its messages follow it."""
    MOVED = "moved"
    NO = "no"
    """Crashed, unreadable, held, or gone."""


def serving(row: PagletRow, *, is_gone: bool = False) -> Serving:
    """Return whether the paglet of a row serves calls here."""
    if is_gone:
        return Serving.NO
    match row.status:
        case PagletStatus.ACTIVE:
            return Serving.YES
        case PagletStatus.INACTIVE:
            is_woken = row.policy is not None and row.policy.activate_on_message
            return Serving.YES if is_woken else Serving.ASLEEP
        case PagletStatus.MOVING:
            return Serving.LEAVING
        case PagletStatus.MOVED:
            return Serving.MOVED
        case _:
            return Serving.NO


@dataclass(slots=True)
class _Told:
    """What was told of a paglet last."""

    standing: tuple[object, ...]
    """Changes whenever its offers may."""
    names: list[str] = field(default_factory=list)
    """What it offers, for people."""
    linger: asyncio.TimerHandle | None = None


class Providers:
    """Keeps the registry as current as the roster. One per host, used from its loop."""

    def __init__(self, registry: Registry, roster: Roster, recorder: Recorder) -> None:
        self._registry = registry
        self._roster = roster
        self._recorder = recorder
        self._told: dict[str, _Told] = {}
        self._advertised: dict[str, dict[tuple[str, str], AdvertiseCall]] = {}

    def changed(self, paglet: LocalPaglet) -> None:
        """Take note of a committed row, or of a paglet that is gone."""
        row, agent_id = paglet.row, paglet.agent_id
        told = self._told.get(agent_id)
        if told is None and not row.manifest.services and agent_id not in self._advertised:
            return
        standing = self._standing(paglet)
        if told is not None and told.standing == standing:
            return
        match serving(row, is_gone=paglet.is_gone):
            case Serving.YES:
                self._offer(paglet)
            case Serving.ASLEEP:
                self._take_back(paglet)
            case Serving.LEAVING:
                self._linger(paglet, MOVING_LINGER)
            case Serving.MOVED:
                self._linger(paglet, MOVED_LINGER)
            case Serving.NO:
                self._end(paglet)

    def heard(self, event: MeshEvent) -> None:
        """Take note of a record of another host: a paglet that moved there is offered there now."""
        told = event.record
        if told is None or told.kind != SERVICE_KIND:
            return
        paglet = self._roster.find(told.key.rpartition("/")[2])
        if paglet is None or paglet.row.status not in {PagletStatus.MOVING, PagletStatus.MOVED}:
            return
        record = decode_service(told.key, told.payload, event.host)
        if record.provider.birth_id == paglet.row.birth_id:
            self._take_back(paglet)

    def advertise(self, paglet: LocalPaglet, call: AdvertiseCall) -> None:
        """Add or replace what a paglet of this host advertises by itself.

        Raises:
            TooLargeError: It is more than the mesh carries; nothing has changed.
        """
        ref, manifest = self._roster.here(paglet.row), paglet.row.manifest
        for offer in advertised(ref, manifest, [call]):
            encode_service(offer.record)
        self._advertised.setdefault(paglet.agent_id, {})[call.name, call.version] = call
        self._offer_again(paglet)

    def withdraw(self, paglet: LocalPaglet, name: str, version: str) -> None:
        """Take back what a paglet of this host advertised by itself."""
        if self._advertised.get(paglet.agent_id, {}).pop((name, version), None) is not None:
            self._offer_again(paglet)

    def _offer_again(self, paglet: LocalPaglet) -> None:
        if serving(paglet.row, is_gone=paglet.is_gone) is Serving.YES:
            self._offer(paglet)

    def _offer(self, paglet: LocalPaglet) -> None:
        agent_id, manifest = paglet.agent_id, paglet.row.manifest
        ref = self._roster.here(paglet.row)
        calls = self._advertised.get(agent_id, {}).values()
        by_class, by_itself = declared(ref, manifest), advertised(ref, manifest, calls)
        names = sorted({f"{o.record.name} {o.record.version}" for o in (*by_class, *by_itself)})
        self._remember(paglet, names)
        self._registry.put(Source.DECLARED, agent_id, by_class)
        self._registry.put(Source.ADVERTISED, agent_id, by_itself)

    def _linger(self, paglet: LocalPaglet, seconds: float) -> None:
        told = self._told.get(paglet.agent_id)
        if told is None:
            self._over(paglet)
            return
        self._remember(paglet, told.names)
        later = asyncio.get_running_loop().call_later(seconds, self._over, paglet)
        self._told[paglet.agent_id].linger = later

    def _over(self, paglet: LocalPaglet) -> None:
        """Stop offering a paglet that is elsewhere, or has been in doubt for a while."""
        if paglet.row.status is PagletStatus.MOVING:
            self._take_back(paglet)  # it may come back, with what it advertised
        else:
            self._end(paglet)

    def _end(self, paglet: LocalPaglet) -> None:
        self._advertised.pop(paglet.agent_id, None)
        self._take_back(paglet)

    def _take_back(self, paglet: LocalPaglet) -> None:
        self._remember(paglet, [])
        self._registry.put(Source.DECLARED, paglet.agent_id, [])
        self._registry.put(Source.ADVERTISED, paglet.agent_id, [])

    def _remember(self, paglet: LocalPaglet, names: list[str]) -> None:
        """Note what a paglet offers from now on, and record it where that is something else."""
        told = self._told.pop(paglet.agent_id, _Told(()))
        if told.linger is not None:
            told.linger.cancel()
        if names:
            self._told[paglet.agent_id] = _Told(self._standing(paglet), names)
        if names == told.names:
            return
        verb = "provides" if names else "provides no more"
        self._recorder.record(
            "service",
            f"{verb} {', '.join(names or told.names)}",
            agent_id=paglet.agent_id,
            level="debug",
            services=names,
        )

    def _standing(self, paglet: LocalPaglet) -> tuple[object, ...]:
        row = paglet.row
        is_served = serving(row, is_gone=paglet.is_gone)
        return is_served, row.epoch, row.birth_id, row.manifest, self._roster.me


def declared(ref: PagletProxyRef, manifest: ClassManifest) -> list[Offer]:
    """Return what a paglet offers by its class."""
    return [
        Offer(
            ServiceBody(
                name=contract.name,
                version=contract.version,
                provider=ref,
                operations=tuple(operation.name for operation in contract.operations),
                scope=contract.scope,
                host_name=ref.host_name,
                class_name=manifest.class_name,
            ),
            contract,
        )
        for contract in manifest.services
    ]


def advertised(
    ref: PagletProxyRef, manifest: ClassManifest, calls: Iterable[AdvertiseCall]
) -> list[Offer]:
    """Return what a paglet offers by itself."""
    return [
        Offer(
            ServiceBody(
                name=call.name,
                version=call.version,
                provider=ref,
                operations=tuple(operation.name for operation in call.operations),
                scope=call.scope,
                capabilities=call.capabilities,
                metadata=call.metadata,
                host_name=ref.host_name,
                class_name=manifest.class_name,
            ),
            ContractManifest(name=call.name, version=call.version, operations=call.operations),
        )
        for call in calls
    ]
