"""Finding services: in this host's registry and in what its peers have told by gossip.

Nobody is asked at a look-up. `providers.py` keeps the registry, `publishing.py` tells the mesh.
"""

import logging
import secrets
from collections.abc import Iterator, Sequence

import msgspec

from paglets.model.enums import ServiceScope
from paglets.model.errors import InvalidRequestError, ServiceNotFoundError
from paglets.model.refs import HostRef
from paglets.runtime.choice import Standing, drawn, matching, newest, ranked, why_not
from paglets.runtime.load import decode_load
from paglets.runtime.ports import GossipRecords, PeerHosts
from paglets.runtime.registry import Registry
from paglets.wire.bodies import ContractBody, ContractList, OperationBody, ServiceBody
from paglets.wire.hostcalls import LookupCall, LookupReply
from paglets.wire.servicerecords import (
    LOAD_KIND,
    SERVICE_KIND,
    decode_service,
    service_prefix,
)

log = logging.getLogger(__name__)

PAGE_BYTES = 128 * 1024
"""Bytes of records in one answer to a paglet; the rest is asked for again."""

_encoder = msgspec.msgpack.Encoder()


class Services:
    """Looks up services for one host; used from its loop."""

    def __init__(self, registry: Registry, hosts: PeerHosts, records: GossipRecords) -> None:
        self._registry = registry
        self._hosts = hosts
        self._records = records

    def find(self, query: LookupCall) -> LookupReply:
        """Return who serves a query, best first; where nobody does, why."""
        own = [record for record in self._registry if query.name in {"", record.name}]
        if query.limit == 1 and (here := matching(own, query)):
            # The best is a local one, whoever else there is: the usual case, and the cheapest.
            return LookupReply(services=(drawn(here, query.seed or secrets.randbits(32))[0],))
        seen = _Seen(self._hosts)
        usable: list[ServiceBody] = []
        unusable: list[str] = []
        if query.scope is ServiceScope.MESH:
            for host, record in self._told(query.name, seen):
                # One that drains is usable, since its paglets still answer, though last of all.
                if host.online and host.code_version == seen.me.code_version:
                    usable.append(record)
                else:
                    unusable.append(host.name)
        near = newest([*own, *usable])
        found = matching(near, query)
        if not found:
            missing = why_not(query, near, unusable)
            return LookupReply(services=(), reason=missing.reason, versions=missing.versions)
        found = drawn(found, query.seed or secrets.randbits(32))
        best = ranked(found, self._standings(found, seen))
        return LookupReply(services=best[: query.limit or None])

    def page(self, query: LookupCall) -> LookupReply:
        """Return the same as `find`, without the best `skip`, as many as fit into one answer."""
        found = self.find(query)
        told: list[ServiceBody] = []
        room = PAGE_BYTES
        for record in found.services[query.skip :]:
            room -= len(_encoder.encode(record))
            if room < 0 and told:
                return LookupReply(services=tuple(told), is_last=False)
            told.append(record)
        return LookupReply(services=tuple(told), reason=found.reason, versions=found.versions)

    def describe(self, name: str, version: str) -> ContractList:
        """Return the contracts of a name that this host provides, with their schemas.

        Args:
            name: Of the service.
            version: Exactly; empty: all there are.

        Raises:
            ServiceNotFoundError: This host provides none; says what there is.
        """
        found = {
            offer.contract.version: offer.contract
            for offer in self._registry.offers()
            if offer.contract is not None
            and offer.contract.name == name
            and version in {"", offer.contract.version}
        }
        if not found:
            query = LookupCall(name=name, version=version, scope=ServiceScope.LOCAL)
            reply = self.find(query)
            raise ServiceNotFoundError(reply.reason, name=name, versions=list(reply.versions))
        return ContractList(
            contracts=tuple(
                ContractBody(
                    name=name,
                    version=contract.version,
                    operations=tuple(
                        OperationBody(
                            name=operation.name,
                            request=operation.request_schema,
                            reply=operation.reply_schema,
                        )
                        for operation in contract.operations
                    ),
                )
                for _, contract in sorted(found.items())
            )
        )

    def _told(self, name: str, seen: "_Seen") -> Iterator[tuple[HostRef, ServiceBody]]:
        """Yield what peers have told of services of a name."""
        for told in self._records.records(SERVICE_KIND, service_prefix(name)):
            host = seen.peer(told.host_id)
            if host is None:  # this host, whose registry is newer
                continue
            try:
                yield host, decode_service(told.key, told.payload, host)
            except InvalidRequestError as error:
                log.warning("%s", error.message)

    def _standings(self, found: Sequence[ServiceBody], seen: "_Seen") -> dict[str, Standing]:
        """Return how the hosts of providers compare, by id."""
        standings = {seen.me.host_id: Standing(is_elsewhere=False)}
        if len(found) == 1:
            return standings
        for host_id in {record.provider.host_id for record in found} - standings.keys():
            host = seen.peer(host_id)
            load = self._records.record(host_id, LOAD_KIND)
            if host is not None:
                standings[host_id] = Standing(
                    is_doubtful=host.status == "suspect" or host.error is not None,
                    load=decode_load(b"" if load is None else load.payload),
                    active=host.active_count,
                )
        return standings


class _Seen:
    """The hosts that one look-up has to do with, each looked at once."""

    def __init__(self, hosts: PeerHosts) -> None:
        self._hosts = hosts
        self.me = hosts.self_ref()
        self._peers: dict[str, HostRef | None] = {self.me.host_id: None}

    def peer(self, host_id: str) -> HostRef | None:
        """Return another host; None for this one and for one that is not known any more."""
        if host_id not in self._peers:
            self._peers[host_id] = self._hosts.by_id(host_id)
        return self._peers[host_id]
