"""A mesh of two hosts without paglets: the real HTTP API over a runtime that only pretends.

For tests of what talks to hosts from outside: the command line and `paglets.connect`. Served from
a thread of its own, because both of them run loops themselves.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import fields

import msgspec

from paglets.config.keys import Keyring, new_key
from paglets.host.http.access import Access, ServerIdentity
from paglets.host.http.app import Outward, build_gate
from paglets.host.http.limits import HttpLimits
from paglets.host.http.ports import Ports
from paglets.host.http.server import HttpServer
from paglets.host.recordview import RecordView
from paglets.model.errors import (
    ClassNotAllowedError,
    ConflictError,
    HandlerError,
    PagletNotFoundError,
    ServiceNotFoundError,
    TransferNotFoundError,
    UnavailableError,
)
from paglets.model.names import new_id
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.runtime.choice import matching, why_not
from paglets.testing.waiting import wait_until_async
from paglets.wire import bodies, hostbodies
from paglets.wire.bodies import given
from paglets.wire.hostcalls import LookupReply
from paglets.wire.messages import decode_message
from tests.unit.http.fakes import FakeHosts
from tests.unit.runtime.fakes import FakeRecords

CLASS = "tour:Tour"

TEXT_SCHEMA = {
    "$ref": "#/$defs/Text",
    "$defs": {
        "Text": {
            "title": "Text",
            "type": "object",
            "properties": {"text": {"type": "string"}, "limit": {"type": "integer", "default": 9}},
            "required": ["text"],
        }
    },
}
"""Of every request and reply of a fake service."""


class FakeRuntime:
    """Everything a host does, pretended: paglets are rows, messages are answered here."""

    def __init__(self, name: str, mesh: "FakeMesh") -> None:
        self.name = name
        self.mesh = mesh
        self.rows: dict[str, bodies.AgentInfo] = {}
        self.states: dict[str, bytes] = {}
        self.calls: list[tuple] = []
        self.outcomes: dict[str, PagletProxyRef] = {}
        self.failures: list[Exception] = []
        """Raised by the next messages, one each."""
        self.attempts: list[tuple[str, int]] = []
        """Id and attempt of each message that came."""
        self.answers: dict[str, Callable[[str, bytes], object]] = {}
        """By id of a paglet, what it says to a message of a kind with these arguments."""
        self.printed = ["one", "two"]
        self.transfers: list[bodies.TransferInfo] = []
        self.log: list[hostbodies.EventBody] = []
        self.services: list[bodies.ServiceBody] = []
        self.leases: dict[str, float] = {}
        """Seconds of each lease that is held here, by its id."""
        self.ready = True
        self.url = ""

    def ref(self, agent_id: str) -> PagletProxyRef:
        epoch = self.rows[agent_id].epoch if agent_id in self.rows else Epoch()
        return PagletProxyRef(self.url, agent_id, host_name=self.name, epoch=epoch)

    def row(self, agent_id: str) -> bodies.AgentInfo:
        if agent_id not in self.rows:
            raise PagletNotFoundError(f"no paglet {agent_id} on {self.name}")
        return self.rows[agent_id]

    def change(self, agent_id: str, **changes) -> PagletProxyRef:
        self.rows[agent_id] = msgspec.structs.replace(self.row(agent_id), **changes)
        return self.ref(agent_id)

    def put(self, agent_id: str, *, status="active", epoch=Epoch(), **more) -> None:
        self.rows[agent_id] = bodies.AgentInfo(
            agent_id=agent_id, class_name=CLASS, status=status, host_name=self.name,
            host_url=self.url, epoch=epoch, birth_id="b", **more,
        )  # fmt: skip

    async def create(self, body, *, key):
        self.calls.append(("create", body.class_name, given(body.state), key))
        if body.class_name != CLASS:
            raise ClassNotAllowedError(f"{body.class_name} is under no allowed prefix")
        if key in self.outcomes:
            return self.outcomes[key]
        agent_id = body.agent_id or new_id()
        self.put(agent_id)
        self.states[agent_id] = given(body.state) or b"{}"
        self.outcomes[key] = self.ref(agent_id)
        return self.outcomes[key]

    async def dispose(self, agent_id, *, force, key):
        self.calls.append(("dispose", agent_id, force))
        self.row(agent_id)
        del self.rows[agent_id]

    async def serve(self, agent_id, body):
        if self.failures:
            raise self.failures.pop(0)
        if self.row(agent_id).status == "moved":
            raise PagletNotFoundError(f"{agent_id} is not on {self.name} any more")
        if body.renews and body.ttl_seconds and body.lease_id not in self.leases:
            raise ConflictError("the lease has expired: take a new one")
        self.leases[body.lease_id] = body.ttl_seconds
        if not body.ttl_seconds:
            del self.leases[body.lease_id]
        return bodies.LeaseAnswer(lease_id=body.lease_id, ttl_seconds=body.ttl_seconds)

    async def deliver(self, agent_id, body, *, caller_gone=None):
        message = decode_message(body)
        self.attempts.append((message.message_id, message.attempt))
        if self.failures:
            raise self.failures.pop(0)
        row = self.row(agent_id)
        if row.status == "moved":
            there = self.mesh.runtimes[row.peer.name]
            reply = await there.deliver(agent_id, body)
            return msgspec.structs.replace(reply, address=there.ref(agent_id))
        if agent_id in self.answers:
            answer = self.answers[agent_id](message.kind, message.args)
            return bodies.ReplyBody(reply=msgspec.Raw(msgspec.json.encode(answer)))
        match message.kind:
            case "echo":
                return bodies.ReplyBody(reply=message.args)
            case "text":
                return bodies.ReplyBody(reply=msgspec.Raw(b'"plain text"'))
            case "fail":
                raise HandlerError("ValueError: no such thing", exception_type="ValueError")
            case _:
                return bodies.ReplyBody()

    async def dispatch(self, agent_id, ticket, *, reason, key):
        self.calls.append(("dispatch", agent_id, ticket.destination, ticket.arrival_mode, key))
        name = getattr(ticket.destination, "name", ticket.destination)
        return self._move(agent_id, self.mesh.runtimes[name])

    def _move(self, agent_id, target: "FakeRuntime"):
        row = self.row(agent_id)
        target.put(agent_id, epoch=row.epoch.hop())
        target.states[agent_id] = self.states.get(agent_id, b"{}")
        peer = PeerAddress(f"id-{target.name}", target.name, target.url)
        self.change(agent_id, status="moved", peer=peer)
        return target.ref(agent_id)

    async def clone(self, agent_id, ticket, *, clone_agent_id, key):
        self.row(agent_id)
        there = self if ticket is None else self.mesh.runtimes[ticket.destination]
        clone_id = clone_agent_id or new_id()
        there.put(clone_id)
        return there.ref(clone_id)

    async def retract(self, agent_id, source, *, key):
        self.calls.append(("retract", agent_id, source.host_name if source else None))
        return self.mesh.runtimes[source.host_name]._move(agent_id, self)

    async def deactivate(self, agent_id, policy, *, key):
        self.calls.append(("deactivate", agent_id, policy))
        return self.change(agent_id, status="inactive")

    async def activate(self, agent_id, *, key):
        return self.change(agent_id, status="active")

    async def info(self, agent_id):
        return self.row(agent_id)

    async def find(self, agent_id):
        for runtime in (self, *self.mesh.runtimes.values()):
            if agent_id in runtime.rows:
                return runtime.rows[agent_id]
        raise PagletNotFoundError(f"no reachable host knows paglet {agent_id}")

    async def list(self, *, status, class_name, prefix, after, limit):
        found = [
            row
            for row in sorted(self.rows.values(), key=lambda row: row.agent_id)
            if row.agent_id > (after or "")
            and row.agent_id.startswith(prefix or "")
            and status in {None, row.status}
            and class_name in {None, row.class_name}
        ]
        limit = min(limit, self.mesh.page)
        more = found[limit - 1].agent_id if len(found) > limit else None
        return bodies.AgentList(agents=tuple(found[:limit]), next=more, total=len(found))

    async def state(self, agent_id):
        if self.row(agent_id).status == "moved":
            raise PagletNotFoundError(f"{agent_id} moved")
        return self.states.get(agent_id, b"{}")

    async def logs(self, agent_id, tail):
        self.row(agent_id)
        start = max(len(self.printed) - tail, 0)
        return bodies.LogBody(agent_id=agent_id, lines=tuple(self.printed[start:]), start=start)

    def health(self):
        raise UnavailableError("not asked for here")


class FakeTransfers:
    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime

    async def list(self, *, in_doubt, role, after, limit):
        found = [
            info
            for info in self.runtime.transfers
            if (info.in_doubt or not in_doubt) and role in {None, info.role}
        ]
        return bodies.TransferList(transfers=tuple(found))

    async def resolve(self, transfer_id, action):
        for number, info in enumerate(self.runtime.transfers):
            if info.transfer_id == transfer_id:
                outcome = "refused" if action == "resume" else "accepted"
                settled = msgspec.structs.replace(info, outcome=outcome, in_doubt=False)
                self.runtime.transfers[number] = settled
                return settled
        raise TransferNotFoundError(transfer_id)


class FakeEvents:
    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime

    def read(self, *, after, kind, agent_id, level, limit):
        later = [event for event in self.runtime.log if event.sequence > after]
        found = tuple(event for event in later if kind in {None, event.kind})[:limit]
        return hostbodies.EventList(events=found, next=later[-1].sequence if later else after)

    async def wait(self, after, timeout):
        log = self.runtime.log
        with suppress(TimeoutError):
            await wait_until_async(
                lambda: bool(log) and log[-1].sequence > after, timeout=timeout, what="news"
            )


class FakeServices:
    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime

    def find(self, query):
        every = [body for each in self.runtime.mesh.runtimes.values() for body in each.services]
        found = tuple(matching(every, query))
        if found:
            return LookupReply(services=found[: query.limit or None])
        missing = why_not(query, [body for body in every if body.name == query.name], [])
        return LookupReply(services=(), reason=missing.reason, versions=missing.versions)

    def describe(self, name, version):
        operations = {
            operation
            for body in self.runtime.services
            if body.name == name and version in {"", body.version}
            for operation in body.operations
        }
        if not operations:
            raise ServiceNotFoundError(f"{self.runtime.name} has no {name}", name=name)
        return bodies.ContractList(
            contracts=(
                bodies.ContractBody(
                    name=name,
                    version=version,
                    operations=tuple(
                        bodies.OperationBody(name=each, request=TEXT_SCHEMA, reply=TEXT_SCHEMA)
                        for each in sorted(operations)
                    ),
                ),
            )
        )


class FakeMesh:
    """Hosts alpha and beta on free ports of loopback. Use in `with`."""

    def __init__(self, keyring: Keyring | str | None = "new") -> None:
        self.keyring = Keyring((new_key(),)) if keyring == "new" else keyring
        self.page = 1000
        """Largest page that is given, whatever is asked for."""
        self.hosts = FakeHosts()
        self.records = FakeRecords()
        self.runtimes: dict[str, FakeRuntime] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> "FakeMesh":
        self._thread.start()
        for name in ("alpha", "beta"):
            asyncio.run_coroutine_threadsafe(self._serve(name), self._loop).result(10)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return self.alpha.url

    @property
    def alpha(self) -> FakeRuntime:
        return self.runtimes["alpha"]

    @property
    def beta(self) -> FakeRuntime:
        return self.runtimes["beta"]

    def reset(self) -> None:
        """Forget everything that happened."""
        self.page = 1000
        self.records.others.clear()
        for name, runtime in self.runtimes.items():
            url = runtime.url
            runtime.__init__(name, self)
            runtime.url = url
            self.hosts.refs[name] = self._host_ref(name, url)

    def add_event(self, runtime: FakeRuntime, kind: str, **more) -> None:
        sequence = len(runtime.log) + 1
        runtime.log.append(
            hostbodies.EventBody(
                sequence=sequence, time=time.time(), kind=kind, host_name=runtime.name, **more
            )
        )

    def add_transfer(self, runtime: FakeRuntime, transfer_id: str, role: str, **more) -> None:
        other = "beta" if runtime.name == "alpha" else "alpha"
        runtime.transfers.append(
            bodies.TransferInfo(
                transfer_id=transfer_id, role=role, kind="dispatch", agent_id="a1",
                peer=PeerAddress(f"id-{other}", other, ""), outcome="undecided", **more,
            )
        )  # fmt: skip

    def add_service(
        self, runtime: FakeRuntime, agent_id: str, operations=("echo",), **fields
    ) -> None:
        runtime.put(agent_id)
        runtime.services.append(
            bodies.ServiceBody(
                name="tokenizer", version=fields.pop("version", "1"),
                provider=runtime.ref(agent_id), operations=operations,
                host_name=runtime.name, **fields,
            )
        )  # fmt: skip

    async def _serve(self, name: str) -> None:
        runtime = self.runtimes[name] = FakeRuntime(name, self)
        parts = {
            "transfers": FakeTransfers(runtime),
            "events": FakeEvents(runtime),
            "services": FakeServices(runtime),
            "hosts": self.hosts,
            "records": RecordView(self.records, self.hosts),
        }
        ports = Ports(**{port.name: parts.get(port.name, runtime) for port in fields(Ports)})
        access = Access(ServerIdentity(f"id-{name}", 1, name, "http://x.test:1"), self.keyring)
        session = PeerSession(self.keyring, sender=f"id-{name}")
        self._stack.push_async_callback(session.close)
        peers = HttpPeerCalls(self.hosts, calls=session, control=session)
        gate = build_gate(ports, access, Outward(session, peers, f"id-{name}", HttpLimits()))
        server = HttpServer(gate, bind="127.0.0.1", port=0)
        runtime.url = f"http://127.0.0.1:{await server.start()}"
        self._stack.push_async_callback(server.stop, 0.0)
        self.hosts.refs[name] = self._host_ref(name, runtime.url)

    def _host_ref(self, name: str, url: str) -> HostRef:
        return HostRef(name, url, host_id=f"id-{name}", generation=1, code_version="v1")


def pretty(value: object) -> str:
    """Return JSON as commands print it."""
    return json.dumps(value, indent=2)
