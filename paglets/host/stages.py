"""The stages of a host's life: before the loop, in the loop, and the way down.

Order matters and is only here. The forkserver is exec'd before this process has a thread or a
loop; what a killed host left is ended before anything starts; rows are in memory before the port
answers; and going down, paglets are quiesced before the store closes.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from functools import partial

from paglets.config.code import code_version
from paglets.config.keys import Keyring, host_keyring
from paglets.config.settings import HostSettings
from paglets.failpoints import arm_from_environment
from paglets.host.addressing import follow_address, tell_moved
from paglets.host.announcing import Say, announce, scheme_of, unannounce, warnings_of
from paglets.host.build import Composition, compose
from paglets.host.counting import counts_of, tell_figures
from paglets.host.given import Given, allowed_prefixes
from paglets.host.greeting import greet
from paglets.host.http.server import HttpServer, TlsFiles
from paglets.host.identity import (
    HostIdentity,
    advertised_url,
    bind_socket,
    is_loopback,
    is_wildcard,
)
from paglets.host.leaving import drain_before_stop
from paglets.host.meshing import Membership, MeshEnd, MeshPeers
from paglets.host.preloading import preloaded
from paglets.host.reloading import Reloader
from paglets.model.errors import PagletsError, UnavailableError
from paglets.model.refs import HostRef
from paglets.remote.mesh_transport import HttpMeshTransport
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.remote.sockets import ConnectionLimits
from paglets.remote.urls import UrlPolicy
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.runtime.tasks import Tasks
from paglets.store.store import Store
from paglets.supervise.children import ChildrenList, end_orphans
from paglets.supervise.environment import child_environment
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.supervise.limits import paglets_allowed, raise_nofile_limit
from paglets.supervise.process import ProcessFactory
from paglets.supervise.spawnfactory import SpawnFactory

_SWITCH_INTERVAL = 0.0005
"""Seconds after which the loop lets another thread run. The store's thread needs the interpreter
for some µs between two calls of the system; with Python's 5 ms it waits longer than for a sync."""
_ORPHAN_TIMEOUT = 10.0
"""Seconds for processes of a killed host to be gone."""
_HTTP_GRACE = 1.0
"""Seconds for requests under way when the host stops."""
_FACTORY_TIMEOUT = 2.0
"""Seconds for the last processes to be gone when the host stops."""
_CONTROL = ConnectionLimits(per_host=16, silence=None)
"""For transfers: few to one host, so that a large envelope does not wait behind many."""
_GOSSIP = ConnectionLimits(keepalive=35.0)
"""For the mesh: two rounds of probes of 16 hosts, so that these find their connections again."""
_MEET_TIMEOUT = 2.0
"""Seconds for a first peer to answer before rows start: it may own one of them."""
_FORGET_EVERY = 120.0
"""Seconds between clean-ups of expired records."""


def run_host(settings: HostSettings, *, say: Say | None = None) -> int:
    """Run a host until SIGTERM or SIGINT; return the exit code. Blocks; one a process.

    Args:
        settings: What its owner chose.
        say: Gets the lines of the start banner and what paglets print; stderr by default.

    Raises:
        PagletsError: It cannot start: the folder is in use, orphans do not end, a key is bad.
        OSError: The address or port cannot be bound, or an agents folder does not exist.
    """
    tell = say or _stderr
    arm_from_environment()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    limit = raise_nofile_limit()
    store = Store.open(settings.data, name=settings.name, now=time.time)
    try:
        report = end_orphans(settings.data / "children", timeout=_ORPHAN_TIMEOUT)
        if report.alive:
            raise UnavailableError(
                f"processes of the last run do not end: {report.alive}; end them by hand first"
            )
        keyring = _keyring(settings)
        children = ChildrenList(settings.data / "children")
        factory = _factory(settings, children)
        factory.launch()
        allowed = paglets_allowed(limit, spares=settings.spare_processes)
        host = _Host(settings, store, factory, keyring, allowed, tell)
        _run(host.live())
        children.close()
    finally:
        store.close()
    return 0


def _run(work: "asyncio.Future[None] | object") -> None:
    """Run the host's coroutine on uvloop where it is installed."""
    assert asyncio.iscoroutine(work)
    factory = None
    with contextlib.suppress(ImportError):
        # Optional: the `speed` extra.
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def _keyring(settings: HostSettings) -> Keyring | None:
    if settings.insecure:
        return None
    return host_keyring(settings.data, environ=os.environ, key_file=settings.key_file)


def _factory(settings: HostSettings, children: ChildrenList) -> ProcessFactory:
    # So that `preload` finds the owner's own modules too.
    paths = [str(folder.resolve()) for folder in settings.agents]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    environment = child_environment(
        os.environ,
        owner_names=(*settings.environment, "PAGLETS_FAILPOINTS"),
        extra={"PYTHONPATH": os.pathsep.join(paths)} if paths else {},
    )
    command = (sys.executable, "-m", "paglets.child")
    if settings.start_method == "spawn":
        return SpawnFactory(command=command, environment=environment, children=children)
    return ForkserverFactory(
        command=command,
        environment=environment,
        children=children,
        preload=preloaded(settings),
        spares=settings.spare_processes,
    )


def _stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the host's talk


class _Host:
    """One run of a host, in its event loop."""

    def __init__(
        self,
        settings: HostSettings,
        store: Store,
        factory: ProcessFactory,
        keyring: Keyring | None,
        paglet_limit: int,
        say: Say,
    ) -> None:
        self._settings = settings
        self._store = store
        self._factory = factory
        self._keyring = keyring
        self._paglet_limit = paglet_limit
        self._say = say
        self._tasks = Tasks()
        self._recorder = Recorder(settings.name)

    async def live(self) -> None:
        """Start, serve until asked to stop, stop."""
        stopping = _stop_signal()
        settings = self._settings
        listener = bind_socket(settings.bind, settings.port)
        identity = self._identity(listener.getsockname()[1])
        self._factory.attach()
        async with contextlib.AsyncExitStack() as stack:
            session, control, gossip = [
                await stack.enter_async_context(self._session(identity, limits))
                for limits in (ConnectionLimits(), _CONTROL, _GOSSIP)
            ]
            membership = Membership(
                settings, identity, self._keyring, HttpMeshTransport(gossip), self._recorder
            )
            parts = self._compose(identity, membership, session, control)
            parts.restorer.load()
            parts.residents.adopt()
            server = HttpServer(
                parts.gate,
                bind=settings.bind,
                port=settings.port,
                listener=listener,
                tls=self._tls(),
            )
            await server.start()
            await membership.start()
            await parts.residents.prepare()
            parts.health.status = "ready"
            announce(settings, identity, self._keyring, say=self._say)
            self._begin(identity, parts, membership)
            await stopping.wait()
            self._say(f"paglets host {settings.name} is stopping")
            if settings.drain_on_stop:
                stopping.clear()
                within = settings.drain_on_stop
                await drain_before_stop(parts.draining, self._tasks, within, stopping, self._say)
            await self._stop(parts, server, membership)

    def _compose(
        self,
        identity: HostIdentity,
        membership: Membership,
        session: PeerSession,
        control: PeerSession,
    ) -> Composition:
        """Make the parts of the host, with connections for calls and for settlements."""
        mesh = membership.mesh
        counting: list[Roster] = []
        peers = MeshPeers(mesh, identity, lambda: counts_of(counting))
        parts = compose(
            Given(
                settings=self._settings,
                identity=identity,
                store=self._store,
                factory=self._factory,
                keyring=self._keyring,
                peers=peers,
                mesh=MeshEnd(mesh),
                records=mesh,
                calls=HttpPeerCalls(peers, calls=session, control=control),
                session=session,
                tasks=self._tasks,
                recorder=self._recorder,
                paglet_limit=self._paglet_limit,
                on_line=lambda name, line: self._say(f"{name} | {line}"),
                warnings=lambda: (*warnings_of(self._settings), *membership.warnings()),
                rolled_back=lambda: mesh.rolled_back,
            )
        )
        counting.append(parts.roster)
        membership.appeared = lambda host: _meet(parts, self._tasks, host)
        return parts

    def _begin(self, identity: HostIdentity, parts: Composition, membership: Membership) -> None:
        """Start what goes on beside the answering of requests."""
        settings, start = self._settings, self._tasks.start
        start(_recover(parts, membership), "recovery")
        start(parts.residents.run(), "residents")
        start(self._tidy(), "clean-up")
        start(tell_figures(parts.roster, membership), "figures")
        if settings.reload:
            start(self._reloader(identity, parts, membership), "reload")
        if settings.advertise is None and is_wildcard(settings.bind):
            moved = partial(tell_moved, parts.roster, membership, self._recorder)
            start(follow_address(identity, settings.seeds, moved), "address")
        if settings.greet:
            start(self._greet(membership), "greeting")

    def _session(self, identity: HostIdentity, limits: ConnectionLimits) -> PeerSession:
        """Return connections of their own: calls never delay a probe or a settlement."""
        return PeerSession(
            self._keyring,
            sender=identity.host_id,
            policy=UrlPolicy(allow_loopback=is_loopback(identity.url)),
            connections=limits,
        )

    def _reloader(
        self,
        identity: HostIdentity,
        parts: Composition,
        membership: Membership,
    ) -> Coroutine[object, object, None]:
        settings = self._settings

        async def renew() -> None:
            membership.renew(identity)
            parts.admission.allow(allowed_prefixes(settings))
            await parts.inactivity.renew()
            parts.residents.ensure()
            await parts.auto_start.run()

        reloader = Reloader(
            settings.agents,
            self._factory,
            identity,
            version=lambda: _version(settings),
            renew=renew,
            recorder=self._recorder,
        )
        return reloader.run()

    def _tls(self) -> TlsFiles | None:
        settings = self._settings
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        return TlsFiles(settings.tls_cert, settings.tls_key)

    def _identity(self, port: int) -> HostIdentity:
        settings, store = self._settings, self._store
        url = settings.advertise or advertised_url(
            settings.bind, port, scheme=scheme_of(settings), seeds=settings.seeds
        )
        return HostIdentity(
            host_id=store.host_id,
            name=settings.name,
            url=url.rstrip("/"),
            bind=f"{settings.bind}:{port}",
            generation=store.generation,
            boots=store.boots,
            code_version=_version(settings),
            tags=settings.tags,
            properties=settings.properties,
            capabilities=settings.capabilities,
        )

    async def _greet(self, membership: Membership) -> None:
        settings, keyring = self._settings, self._keyring
        key_id = None if keyring is None else keyring.primary.id
        url = settings.greet_url
        await greet(membership.mesh, settings.greet, key_id=key_id, url=url, say=self._say)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_EVERY)
            with contextlib.suppress(PagletsError):
                # A full disk is told by the commits that matter; old records can wait.
                await self._store.forget_expired(time.time())

    async def _stop(self, parts: Composition, server: HttpServer, membership: Membership) -> None:
        parts.health.status = "stopping"
        parts.admission.refuses = "stopping"
        parts.delivery.is_stopping = True
        parts.activity.stop()
        await asyncio.gather(parts.inactivity.shut_down(), membership.leave())
        await server.stop(_HTTP_GRACE)
        await self._tasks.close(timeout=_HTTP_GRACE)
        await self._factory.close(timeout=_FACTORY_TIMEOUT)
        unannounce(self._settings)


def _stop_signal() -> asyncio.Event:
    """Return what is set when the host is asked to stop."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


def _version(settings: HostSettings) -> str:
    return settings.mesh_version or code_version(settings.agents, settings.allow)


async def _recover(parts: Composition, membership: Membership) -> None:
    await membership.wait_first(timeout=_MEET_TIMEOUT)
    await parts.restorer.run()
    await parts.auto_start.run()


def _meet(parts: Composition, tasks: Tasks, host: HostRef) -> None:
    """A host has appeared: moves to it may settle, and both compare who owns what."""
    parts.courier.meet(host)
    tasks.start(parts.fencing.meet(host), f"comparing with {host.name}")
