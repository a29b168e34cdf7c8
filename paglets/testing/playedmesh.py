"""The mesh that `PagletHarness` plays: hosts, services, published records, events.

Answers what a paglet asks when it looks around (`wire/hostcalls.py`). What it asks when it acts is
the harness's own business.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from paglets.agent.contracts import ServiceContract
from paglets.model.events import ContextEvent
from paglets.model.message import JsonValue
from paglets.model.names import new_id
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.wire import hostcalls as ops
from paglets.wire.bodies import ServiceBody

Answers = dict[str, Callable[[ops.Struct], ops.Struct]]


def played_url(host: str) -> str:
    """Return the URL of a played host."""
    return f"http://{host}:8765"


def played_host(host: str | HostRef) -> HostRef:
    """Return a host of the played mesh: one that is given, or an unremarkable one of this name."""
    return host if isinstance(host, HostRef) else HostRef(host, played_url(host), host_id=host)


@dataclass
class PlayedMesh:
    """What the paglet under test finds when it looks around; tests may change it at any time."""

    here: str
    """Name of the host on which the paglet is."""
    agent_id: str
    """The paglet's."""
    hosts: list[HostRef]
    provided: Sequence[ServiceContract] = ()
    """Contracts that are provided here, each by a paglet called as the contract; what is sent to
    it, the harness's `replies` answer."""
    events: list[ContextEvent] = field(default_factory=list)
    """What the paglet recorded by `context.events`."""
    records: dict[tuple[str, str, str], ops.RecordBody] = field(default_factory=dict)
    """By kind, host name and agent id."""

    def host(self, name: str) -> HostRef | None:
        """Return the host of this name."""
        return next((host for host in self.hosts if host.name == name), None)

    def publish(
        self, kind: str, value: JsonValue, *, host: str, agent_id: str, age: float = 0.0
    ) -> None:
        """Let a paglet of a played host have published a record.

        Args:
            kind: As the paglet would say.
            value: JSON value of it.
            host: Name of the host.
            agent_id: Id of the paglet.
            age: Seconds since then.
        """
        known = played_host(self.host(host) or host)
        self.records[kind, host, agent_id] = ops.RecordBody(
            host_id=known.host_id,
            host_name=host,
            host_url=known.url,
            agent_id=agent_id,
            payload=msgspec.json.encode(value),
            age=age,
        )

    def published(self, kind: str) -> JsonValue:
        """Return what the paglet under test has published under `kind`; None if nothing."""
        record = self.records.get((kind, self.here, self.agent_id))
        return None if record is None else msgspec.json.decode(record.payload)

    def answers(self) -> Answers:
        """Return the answer to each question."""
        return {
            "info": lambda _call: ops.ListReply(agents=()),
            "state": lambda _call: ops.StateReply(state=b"null"),
            "find": self._find,
            "list": lambda _call: ops.ListReply(agents=()),
            "hosts": self._hosts,
            "wait_host": self._wait_host,
            "events": lambda _call: ops.EventsReply(events=()),
            "emit": self._emit,
            "advertise": lambda _call: ops.Empty(),
            "withdraw": lambda _call: ops.Empty(),
            "lookup": self._lookup,
            "lease": self._lease,
            "publish": self._publish,
            "records": self._records,
        }

    def ref(self, agent_id: str, host: str | None = None) -> PagletProxyRef:
        """Return the address of a paglet on a played host, here by default."""
        name = host or self.here
        return PagletProxyRef(played_url(name), agent_id, host_id=name, host_name=name)

    def _find(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.FindCall)
        return ops.ProxyReply(ref=self.ref(call.agent_id, call.host))

    def _hosts(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.HostsCall)
        found = [
            host
            for host in sorted(self.hosts, key=lambda host: host.name)
            if (call.include_self or host.name != self.here)
            and (not call.online_only or (host.online and host.error is None))
            and call.name in {None, host.name}
        ]
        return ops.HostsReply(hosts=tuple(found))

    def _wait_host(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.WaitHostCall)
        return ops.HostReplyBody(host=self.host(call.name))

    def _emit(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.EmitCall)
        event = ContextEvent(
            sequence=len(self.events) + 1,
            time=time.time(),
            kind=call.kind,
            host_name=self.here,
            agent_id=self.agent_id,
            level=call.level,
            text=call.text,
            detail=msgspec.json.decode(call.detail),
        )
        self.events.append(event)
        return ops.Empty()

    def _lookup(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.LookupCall)
        found = tuple(
            ServiceBody(
                name=contract.name,
                version=contract.version,
                provider=self.ref(contract.name),
                operations=contract.operation_names,
                host_name=self.here,
            )
            for contract in self.provided
            if (contract.name, contract.version) == (call.name, call.version)
        )
        reason = "" if found else f"the harness provides no {call.name} version {call.version}"
        versions = tuple(each.version for each in self.provided if each.name == call.name)
        return ops.LookupReply(services=found, reason=reason, versions=() if found else versions)

    def _lease(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.LeaseCall)
        return ops.LeaseReply(lease_id=call.lease_id or new_id(), ttl=call.ttl)

    def _publish(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.PublishCall)
        if call.payload is None:
            self.records.pop((call.kind, self.here, self.agent_id), None)
        else:
            value = msgspec.json.decode(call.payload)
            self.publish(call.kind, value, host=self.here, agent_id=self.agent_id)
        return ops.Empty()

    def _records(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.RecordsCall)
        found = [record for (kind, _, _), record in self.records.items() if kind == call.kind]
        return ops.RecordsReply(records=tuple(found))
