"""Fakes of everything the API needs of the runtime, and a served API on loopback."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace

import msgspec

from paglets.config.keys import Keyring, new_key
from paglets.host.http.access import Access, ServerIdentity
from paglets.host.http.app import Outward, build_gate
from paglets.host.http.gate import Gate
from paglets.host.http.limits import HttpLimits
from paglets.host.http.ports import Ports
from paglets.host.http.server import HttpServer, TlsFiles
from paglets.host.recordview import RecordView
from paglets.model.errors import HostNotFoundError, PagletNotFoundError, ServiceNotFoundError
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.remote.client import HostClient
from paglets.remote.endpoint import Endpoint
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.remote.signing import (
    Credentials,
    NonceSource,
    RequestLine,
    Target,
    body_digest,
    request_mac,
)
from paglets.remote.transfers import TransferClient
from paglets.testing.waiting import turn
from paglets.wire import bodies, hostbodies
from paglets.wire.hostcalls import LookupReply
from paglets.wire.messages import WireMessage
from tests.unit.runtime.fakes import FakeRecords


class FakeHosts:
    """Hosts of a mesh, set by tests. Also `PeerHosts`."""

    def __init__(self) -> None:
        self.refs: dict[str, HostRef] = {}

    def add(self, ref: HostRef) -> None:
        self.refs[ref.name] = ref

    def hosts(self):
        return tuple(self.refs.values())

    def lookup(self, name):
        return self.refs.get(name)

    def by_id(self, host_id):
        return next((ref for ref in self.refs.values() if ref.host_id == host_id), None)

    def self_ref(self):
        return next(iter(self.refs.values()))

    async def wait_for_host(self, name, *, timeout):
        raise HostNotFoundError(name)


class FakeRuntime:
    """All ports at once; records calls, answers what the test put into `answers`."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.agents: dict[str, bodies.AgentInfo] = {}
        self.events: list[hostbodies.EventBody] = []
        self.first_event = 1
        self.changed = asyncio.Event()
        self.fail: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.caller_gone: asyncio.Future[None] | None = None
        self.received = b""
        self.ready = True
        self.state_bytes = b'{"n":1}'

    def note(self, *call) -> None:
        self.calls.append(call)
        self.entered.set()
        if self.fail is not None:
            raise self.fail

    def ref(self, agent_id="a1") -> PagletProxyRef:
        return PagletProxyRef("http://127.0.0.1:1", agent_id)

    async def wait_if_held(self) -> None:
        if self.hold is not None:
            await self.hold.wait()

    async def create(self, body, *, key):
        self.note("create", body.class_name, key)
        await self.wait_if_held()
        return self.ref(body.agent_id or "a1")

    async def dispose(self, agent_id, *, force, key):
        self.note("dispose", agent_id, force, key)

    async def deliver(self, agent_id, body, *, caller_gone=None):
        self.caller_gone = caller_gone
        message = msgspec.json.decode(body, type=WireMessage)
        self.note("deliver", agent_id, message.kind)
        await self.wait_if_held()
        return bodies.ReplyBody(reply=message.args)

    async def dispatch(self, agent_id, ticket, *, reason, key):
        self.note("dispatch", agent_id, ticket.destination, reason, key)
        return self.ref(agent_id)

    async def clone(self, agent_id, ticket, *, clone_agent_id, key):
        self.note("clone", agent_id, ticket, clone_agent_id, key)
        return self.ref("c1")

    async def retract(self, agent_id, source, *, key):
        self.note("retract", agent_id, source, key)
        return self.ref(agent_id)

    async def deactivate(self, agent_id, policy, *, key):
        self.note("deactivate", agent_id, policy, key)
        return self.ref(agent_id)

    async def activate(self, agent_id, *, key):
        self.note("activate", agent_id, key)
        return self.ref(agent_id)

    async def info(self, agent_id):
        self.note("info", agent_id)
        if agent_id not in self.agents:
            raise PagletNotFoundError(f"no paglet {agent_id}")
        return self.agents[agent_id]

    async def find(self, agent_id):
        return await self.info(agent_id)

    async def list(self, *, status, class_name, prefix, after, limit):
        self.note("list", status, class_name, prefix, after, limit)
        found = [info for _, info in sorted(self.agents.items()) if info.agent_id > (after or "")]
        page = tuple(found[:limit])
        more = page[-1].agent_id if len(found) > limit else None
        return bodies.AgentList(agents=page, next=more, total=len(self.agents))

    async def state(self, agent_id):
        self.note("state", agent_id)
        return self.state_bytes

    async def logs(self, agent_id, tail):
        self.note("logs", agent_id, tail)
        return bodies.LogBody(agent_id=agent_id, lines=("one", "two"))

    async def check(self, body):
        self.note("check", body.class_name)
        return bodies.CheckAnswer(host_id="h1", name="alpha", url="u", protocol=1, code_version="v")

    async def offer(self, transfer_id, header, encoded_header, chunks):
        self.note("offer", transfer_id, header.agent_id)
        await self.wait_if_held()
        self.received = b"".join([chunk async for chunk in chunks])
        return await self.outcome(transfer_id)

    async def outcome(self, transfer_id):
        self.note("outcome", transfer_id)
        return bodies.OutcomeBody(transfer_id=transfer_id, host_id="h1", outcome="accepted")

    async def settled(self, transfer_id):
        self.note("settled", transfer_id)

    async def fence(self, body):
        self.note("fence", body)
        return bodies.FenceAnswer(superseded=body.claims)

    def counts(self):
        return {"probes_failed": 5, "awareness": 2}

    async def handle(self, path, body, *, sender_host_id):
        self.note("mesh", path, body, sender_host_id)
        return b"answer to " + body

    def health(self):
        return hostbodies.HealthBody(
            name="alpha", host_id="h1", url="", bind="127.0.0.1", version="0", code_version="v",
            generation=7, boots=1, key_id=None, started_at=0.0, status="ready", active=3,
        )  # fmt: skip


class FakeTransfers:
    def __init__(self) -> None:
        self.infos: list[bodies.TransferInfo] = []

    async def list(self, *, in_doubt, role, after, limit):
        found = [info for info in self.infos if info.transfer_id > (after or "")]
        more = found[limit - 1].transfer_id if len(found) > limit else None
        return bodies.TransferList(transfers=tuple(found[:limit]), next=more)

    async def resolve(self, transfer_id, action):
        return transfer_info(transfer_id)


class FakeEvents:
    """A bounded log: `first` is the oldest event that is still there."""

    def __init__(self) -> None:
        self.log: list[hostbodies.EventBody] = []
        self.first = 1
        self.changed = asyncio.Event()

    def add(self, kind="create", **fields) -> None:
        sequence = self.first + len(self.log)
        self.log.append(
            hostbodies.EventBody(
                sequence=sequence, time=float(sequence), kind=kind, host_name="alpha", **fields
            )
        )
        self.changed.set()
        self.changed = asyncio.Event()

    def drop(self, count: int) -> None:
        del self.log[:count]
        self.first += count

    def read(self, *, after, kind, agent_id, level, limit):
        missed = max(0, self.first - 1 - after)
        found = [event for event in self.log if event.sequence > after][:limit]
        last = found[-1].sequence if found else max(after, self.first - 1)
        chosen = tuple(event for event in found if kind in {None, event.kind})
        return hostbodies.EventList(events=chosen, next=last, missed=missed)

    async def wait(self, after, timeout):
        if self.first + len(self.log) - 1 > after:
            return
        try:
            async with asyncio.timeout(timeout):
                await self.changed.wait()
        except TimeoutError:
            return


class FakeServices:
    def find(self, query):
        ref = PagletProxyRef("http://127.0.0.1:1", "s1")
        body = bodies.ServiceBody(name=query.name or "svc", version="1", provider=ref)
        return LookupReply(services=(body,), reason=repr(query))

    def describe(self, name, version):
        if name == "nothing":
            raise ServiceNotFoundError("nobody provides nothing", name=name)
        contract = bodies.ContractBody(
            name=name,
            version=version or "1",
            operations=(bodies.OperationBody(name="split", request={"type": "object"}),),
        )
        return bodies.ContractList(contracts=(contract,))


def transfer_info(transfer_id: str) -> bodies.TransferInfo:
    return bodies.TransferInfo(
        transfer_id=transfer_id, role="source", kind="dispatch", agent_id="a1",
        peer=PeerAddress("h2", "beta", "u"), outcome="undecided",
    )  # fmt: skip


@dataclass
class Clock:
    """A wall clock that tests set."""

    offset: float = 0.0
    base: Callable[[], float] = field(default=time.time)

    def __call__(self) -> float:
        return self.base() + self.offset


@dataclass
class Served:
    """One served API and what is behind it."""

    runtime: FakeRuntime
    events: FakeEvents
    transfers: FakeTransfers
    hosts: FakeHosts
    gate: Gate
    server: HttpServer
    keyring: Keyring | None
    url: str
    port: int
    clock: Clock
    outward: PeerSession

    def session(self, keyring="own", **options) -> PeerSession:
        ring = self.keyring if keyring == "own" else keyring
        return PeerSession(ring, sender=options.pop("sender", "test"), **options)


def client(session: PeerSession, served: Served, host_id: str = "") -> HostClient:
    return HostClient.at(session, served.url, host_id=host_id)


def transfer_client(session: PeerSession, served: Served, host_id: str = "") -> TransferClient:
    return TransferClient(Endpoint(session, served.url, host_id=host_id))


@dataclass
class HostSpec:
    """How a served API is to be."""

    name: str = "alpha"
    host_id: str = "h1"
    generation: int = 7
    keyring: Keyring | None = None
    insecure: bool = False
    port: int = 0
    limits: HttpLimits = field(default_factory=HttpLimits)
    identity: dict = field(default_factory=dict)
    hosts: FakeHosts | None = None
    records: FakeRecords = field(default_factory=FakeRecords)
    tls: TlsFiles | None = None


@asynccontextmanager
async def serve(spec: HostSpec | None = None, **changes) -> AsyncIterator[Served]:
    """Serve the API over fakes on a free port of loopback."""
    spec = replace(spec or HostSpec(), **changes)
    keyring = None if spec.insecure else (spec.keyring or Keyring((new_key(),)))
    runtime, events, transfers = FakeRuntime(), FakeEvents(), FakeTransfers()
    hosts = spec.hosts or FakeHosts()
    clock = Clock()
    identity = ServerIdentity(
        spec.host_id, spec.generation, spec.name, "http://advertised.test:1", **spec.identity
    )
    access = Access(identity, keyring, clock=clock)
    others = {
        "transfers": transfers, "events": events, "services": FakeServices(), "hosts": hosts,
        "records": RecordView(spec.records, hosts),
    }  # fmt: skip
    ports = Ports(**{port.name: others.get(port.name, runtime) for port in fields(Ports)})
    outward = PeerSession(keyring, sender=spec.host_id)
    peers = HttpPeerCalls(hosts, calls=outward, control=outward)
    gate = build_gate(ports, access, Outward(outward, peers, spec.host_id, spec.limits))
    server = HttpServer(gate, bind="127.0.0.1", port=spec.port, limits=spec.limits, tls=spec.tls)
    port = await server.start()
    url = f"http://127.0.0.1:{port}"
    hosts.add(HostRef(spec.name, url, host_id=spec.host_id, generation=spec.generation))
    try:
        yield Served(
            runtime, events, transfers, hosts, gate, server, keyring, url, port, clock, outward
        )
    finally:
        await server.stop(0.0)
        await outward.close()


@dataclass
class Raw:
    """An answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes


async def exchange(served: Served, data: bytes, *, timeout: float = 5.0) -> bytes:
    """Write bytes to a new connection and return all that comes until the server closes it."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        try:
            writer.write(data)
            return await reader.read()
        finally:
            writer.close()


async def raw(
    served: Served,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Raw:
    """Send a request without any client of ours between."""
    sent = {"Host": f"127.0.0.1:{served.port}", "Connection": "close"} | (headers or {})
    if body:
        sent.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    data = await exchange(served, "\r\n".join([*lines, "", ""]).encode() + body)
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in fields)
    return Raw(int(first.split(" ")[1]), {name.title(): v for name, v in found.items()}, rest)


def signed(
    served: Served, method: str, path: str, body: bytes = b"", **changes: object
) -> dict[str, str]:
    """Return the Authorization header of a request; `changes` are fields of its credentials."""
    assert served.keyring is not None
    key = changes.pop("key", served.keyring.primary)
    credentials = Credentials(
        key_id=key.id, time_ms=int(time.time() * 1000), nonce=NonceSource().next(),
        digest=body_digest(body), target=Target("h1", 7), sender="test", mac="-",
    )  # fmt: skip
    credentials = replace(credentials, **changes)
    mac = request_mac(key.secret, RequestLine(method, path), credentials)
    return {"Authorization": replace(credentials, mac=mac).header()}


def error_code(answer: Raw) -> str:
    return json.loads(answer.body)["error"]["code"]


async def until(check: Callable[[], bool], *, timeout: float = 5.0) -> None:
    """Let the loop turn until `check` holds."""
    async with asyncio.timeout(timeout):
        while not check():
            await turn()
