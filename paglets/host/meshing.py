"""The host's place in its mesh: membership, beacons, and what the runtime hears of both.

Joins `mesh/`, which knows neither HTTP nor paglets, with `remote/`, which carries its bytes, and
`runtime/`, which asks who is there (`PeerHosts`).
"""

import asyncio
import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import msgspec

from paglets.config.code import explain_difference
from paglets.config.keys import Keyring
from paglets.config.settings import HostSettings
from paglets.host.identity import HostIdentity
from paglets.mesh.beacon import Beacon, BeaconIdentity, BeaconSettings
from paglets.mesh.gossip import Mesh, MeshEvent, MeshOptions, MeshTransport
from paglets.mesh.instructions import SelfChange
from paglets.mesh.members import Change
from paglets.mesh.messages import Identity
from paglets.mesh.timing import Preset, adjusted, preset
from paglets.model.errors import DeadlineError, HostNotFoundError
from paglets.model.refs import HostRef
from paglets.runtime.recorder import Recorder

log = logging.getLogger(__name__)

_BEACON_LABEL = b"paglets beacon\0"
_TOLD = {
    Change.JOINED: ("info", "joined the mesh"),
    Change.SUSPECTED: ("debug", "does not answer and is suspected"),
    Change.REFUTED: ("debug", "answers again"),
    Change.DIED: ("warning", "does not answer and is counted as dead"),
    Change.LEFT: ("info", "left the mesh"),
}

Counts = Callable[[], tuple[int, int]]
"""Returns the numbers of active and inactive paglets."""


class MeshPeers:
    """Who else is there, by the mesh. Implements `runtime.ports.PeerHosts`."""

    def __init__(self, mesh: Mesh, identity: HostIdentity, counts: Counts) -> None:
        self._mesh = mesh
        self._identity = identity
        self._counts = counts

    def self_ref(self) -> HostRef:
        """Return this host as others see it."""
        known = self._mesh.by_id(self._identity.host_id)
        active, inactive = self._counts()
        if known is None:
            return self._identity.ref(active=active, inactive=inactive)
        mine = self._identity.ref(active=active, inactive=inactive, now=known.last_seen)
        return replace(mine, error=known.error)

    def hosts(self) -> Sequence[HostRef]:
        """Return every known host but this one."""
        mine = self._identity.host_id
        return [host for host in self._mesh.hosts() if host.host_id != mine]

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`."""
        return self._mesh.lookup(name)

    def by_id(self, host_id: str) -> HostRef | None:
        """Return the host with this id."""
        return self._mesh.by_id(host_id)

    async def wait_for_host(self, name: str, *, timeout: float) -> HostRef:
        """Return the host called `name` once paglets may go there.

        Raises:
            HostNotFoundError: There was none within `timeout` seconds.
        """
        try:
            return await self._mesh.wait_for_host(name, timeout)
        except DeadlineError as error:
            raise HostNotFoundError(error.message, host=name) from error


class MeshEnd:
    """The mesh's answering side, as the HTTP API asks it."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def handle(self, path: str, body: bytes, *, sender_host_id: str) -> bytes:
        """Answer an exchange; without a key nobody is proven to be anybody."""
        return await self._mesh.handle(path, body, sender_host_id=sender_host_id or None)

    def counts(self) -> dict[str, int]:
        """Return what the mesh has counted since the start; see `MeshStatistics`."""
        return asdict(self._mesh.statistics)


class Membership:
    """Runs the mesh and the beacons of one host; used from its loop."""

    def __init__(
        self,
        settings: HostSettings,
        identity: HostIdentity,
        keyring: Keyring | None,
        transport: MeshTransport,
        recorder: Recorder,
    ) -> None:
        self._settings = settings
        self._keyring = keyring
        self._recorder = recorder
        self._transport = transport
        self.mesh = Mesh(
            Identity(
                host_id=identity.host_id,
                name=identity.name,
                url=identity.url,
                generation=identity.generation,
                code_version=identity.code_version,
                tags=identity.tags,
                properties=identity.properties,
                capabilities=identity.capabilities,
                boots=identity.boots,
            ),
            transport,
            MeshOptions(
                timing=adjusted(preset(Preset(settings.preset)), settings.timing),
                seeds=settings.seeds,
                explain=lambda here, there, host: explain_difference(here, there, host=host),
            ),
        )
        self._beacon: Beacon | None = None
        self.appeared: Callable[[HostRef], None] = _nothing
        """Told of each host that joins, comes back, or says something else of itself, such as its
        URL; set by the composition root."""

    async def start(self) -> None:
        """Begin to gossip, and to send beacons if the owner asked for them.

        Raises:
            OSError: There is no multicast here, or its port is taken.
        """
        self.mesh.subscribe(self._heard)
        await self.mesh.start()
        if self._settings.multicast:
            self._beacon = self._make_beacon()
            await self._beacon.start()

    def _make_beacon(self) -> Beacon:
        settings, me = self._settings, self.mesh.identity
        secret = b"" if self._keyring is None else self._keyring.primary.secret
        others = () if self._keyring is None else self._keyring.keys[1:]
        secrets = (secret, *(key.secret for key in others))

        def sign(packet: bytes) -> bytes:
            return hmac.digest(secret, _BEACON_LABEL + packet, "sha256")

        def verify(packet: bytes, signature: bytes) -> bool:
            expected = (hmac.digest(each, _BEACON_LABEL + packet, "sha256") for each in secrets)
            return any(hmac.compare_digest(signature, one) for one in expected)

        return Beacon(
            BeaconIdentity(host_id=me.host_id, url=me.url, sign=sign, verify=verify),
            self._hint,
            BeaconSettings(
                group=settings.multicast_group,
                port=settings.multicast_port,
                ttl=settings.multicast_ttl,
                interface=settings.multicast_interface,
            ),
        )

    def _hint(self, url: str) -> None:
        try:
            self.mesh.hint(url)
        except ValueError as error:
            log.warning("a beacon named an unusable URL: %s", error)

    def _heard(self, event: MeshEvent) -> None:
        change, host = event.change, event.host
        if isinstance(change, SelfChange):
            level = "warning" if change is not SelfChange.REACHABLE else "info"
            self._recorder.record("mesh", event.text or change.name.lower(), level=level)
            return
        told = _TOLD.get(change)
        if told is not None:
            level, text = told
            self._recorder.record("mesh", f"{host.name} {text}", level=level, host=host.name)
        if change in {Change.JOINED, Change.REFUTED, Change.UPDATED}:
            self.appeared(host)

    def renew(self, identity: HostIdentity) -> None:
        """Tell the mesh that this host runs other code now."""
        mine = self.mesh.identity
        self.mesh.update(msgspec.structs.replace(mine, code_version=identity.code_version))

    def readdress(self, url: str) -> None:
        """Tell the mesh that this host is reached elsewhere now."""
        self.mesh.update(msgspec.structs.replace(self.mesh.identity, url=url))
        if self._beacon is not None:
            self._beacon.advertise(url)

    async def wait_first(self, *, timeout: float) -> None:
        """Wait until another host was met or no seed answers, `timeout` seconds at most.

        A host with seeds asks, before it starts its rows, whether peers own them.
        """
        if not self._settings.seeds:
            return
        try:
            async with asyncio.timeout(timeout):
                while len(self.mesh.hosts()) < 2 and not self._all_failed():
                    await self.mesh.wait_change(0.1)
        except TimeoutError:
            return

    def _all_failed(self) -> bool:
        return len(self.mesh.seed_errors) >= len(self._settings.seeds)

    def warnings(self) -> list[str]:
        """Return what an operator should know, each with the next step."""
        found = []
        if self.mesh.reachability_warning is not None:
            found.append(self.mesh.reachability_warning)
        if self.mesh.rolled_back:
            found.append(
                "the data folder was restored from an older copy: paglets are held until "
                "`paglets transfer resolve`"
            )
        return found

    async def leave(self) -> None:
        """Say good-bye and stop."""
        if self._beacon is not None:
            await self._beacon.stop()
        await self.mesh.leave()


def _nothing(_host: HostRef) -> None:
    """Nobody asked to be told."""
