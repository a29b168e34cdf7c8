"""`context.mesh`: which hosts there are, and the small records that paglets publish to all of them.

Every answer is what this host knows; no host is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

import msgspec

from paglets.agent.port import CALL_TIMEOUT, HOSTS, PUBLISH, RECORDS, WAIT_HOST, HostPort
from paglets.model.errors import HostNotFoundError, InvalidRequestError
from paglets.model.message import JsonValue
from paglets.model.refs import HostRef
from paglets.wire.hostcalls import HostsCall, PublishCall, RecordBody, RecordsCall, WaitHostCall
from paglets.wire.jsonvalues import decode_json_value, decode_reply, encode_reply

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True)
class PublishedRecord(Generic[V]):
    """A value that a paglet published to the mesh."""

    host_name: str
    host_id: str
    host_url: str
    agent_id: str
    """The paglet's."""
    value: V
    age: float
    """Seconds since it was published, by this host's clock; the seconds that gossip takes to pass
    it on may be missing."""


class Mesh:
    """The hosts of the mesh and what their paglets published."""

    def __init__(self, port: HostPort) -> None:
        self._port = port

    def hosts(self, *, online_only: bool = True, include_self: bool = True) -> Sequence[HostRef]:
        """Return the hosts by name, however many there are.

        Args:
            online_only: Leave out those that are dead or gone; a suspect may only be slow.
            include_self: Include the host that is asked.
        """
        return self._all(HostsCall(online_only=online_only, include_self=include_self))

    def _all(self, request: HostsCall) -> list[HostRef]:
        found: list[HostRef] = []
        while True:
            page = self._port.call(HOSTS, request, timeout=CALL_TIMEOUT)
            found.extend(page.hosts)
            if page.next is None:
                return found
            request = msgspec.structs.replace(request, after=page.next)

    def lookup(self, name: str) -> HostRef | None:
        """Return the host of this name, online or not; None if none is known.

        Of several, a live one comes before others, then the newest.
        """
        named = self._all(HostsCall(online_only=False, name=name))
        return max(named, key=lambda host: (host.online, host.generation), default=None)

    def is_online(self, name: str) -> bool:
        """Return whether the host of this name is believed to be up."""
        host = self.lookup(name)
        return host is not None and host.online

    def wait_for_host(self, name: str, timeout: float = CALL_TIMEOUT) -> HostRef:
        """Return the host of this name, as soon as it is online.

        Args:
            name: Whom to wait for.
            timeout: Seconds to wait.

        Raises:
            HostNotFoundError: It was not online in time.
        """
        request = WaitHostCall(name=name, timeout=timeout)
        host = self._port.call(WAIT_HOST, request, timeout=timeout).host
        if host is None:
            raise HostNotFoundError(f"no host {name!r} was online within {timeout:g} s", name=name)
        return host

    def publish(self, kind: str, value: object, *, ttl: float | None = None) -> None:
        """Let every host of the mesh know a small value of the calling paglet.

        It replaces the one of this kind before, reaches others within seconds, and is withdrawn
        when the paglet's process ends: publish again after an arrival or an activation. Publishing
        often costs the mesh no more: of many values only some are passed on, the latest always, at
        least 10 s apart and further in large meshes.

        With `ttl` the record says that it holds as long as it is there: publish it again within
        that time, changed or not. The mesh is told only of another value, so one that does not
        change costs nothing; its age grows all the same. A process that hangs loses it.

        Args:
            kind: What it is, a name of at most 48 characters; paglets choose theirs freely.
            value: A dataclass instance or JSON value of at most 3 KiB as JSON.
            ttl: Seconds until this host withdraws it unless it is published again, at least 1;
                None: it stays, and each call makes it new.

        Raises:
            TooLargeError: `value` or `kind` is too large.
            InvalidRequestError: `ttl` is below 1 or no number.
            InvalidNameError: `kind` is no name.
            TypeError: `value` cannot be written as JSON.
            FullError: This paglet has 8 kinds published, or those of this host 64 records.
        """
        request = PublishCall(kind=kind, payload=encode_reply(value, "record"), ttl=ttl)
        self._port.call(PUBLISH, request, timeout=CALL_TIMEOUT)

    def withdraw(self, kind: str) -> None:
        """Take back what was published under `kind`; nothing happens if nothing was."""
        self._port.call(PUBLISH, PublishCall(kind=kind, payload=None), timeout=CALL_TIMEOUT)

    @overload
    def records(self, kind: str) -> Sequence[PublishedRecord[JsonValue]]: ...
    @overload
    def records(self, kind: str, value_type: type[T]) -> Sequence[PublishedRecord[T]]: ...
    def records(self, kind: str, value_type: type[T] | None = None) -> object:
        """Return what paglets of live hosts have published under `kind`, the own one included.

        Args:
            kind: As it was published.
            value_type: Dataclass of the values; None for plain JSON values. Values that are not of
                this type are left out: another host may run other code.
        """
        found: list[RecordBody] = []
        after = ("", "")
        while True:
            request = RecordsCall(kind=kind, after=after)
            page = self._port.call(RECORDS, request, timeout=CALL_TIMEOUT)
            found.extend(page.records)
            if page.is_last:
                break
            after = (found[-1].host_id, found[-1].agent_id)
        return [record for body in found if (record := _decoded(body, value_type)) is not None]


def _decoded(body: RecordBody, value_type: type[T] | None) -> PublishedRecord[object] | None:
    """Return a record with its value; None where that is not of the type."""
    value: object
    try:
        if value_type is None:
            value = decode_json_value(body.payload, "record")
        else:
            value = decode_reply(body.payload, value_type)
    except InvalidRequestError:
        return None
    return PublishedRecord(
        host_name=body.host_name,
        host_id=body.host_id,
        host_url=body.host_url,
        agent_id=body.agent_id,
        value=value,
        age=body.age,
    )
