"""Finding services: in this host's registry and in what its peers have told by gossip.

Nobody is asked at a look-up. `providers.py` keeps the registry, `publishing.py` tells the mesh.
"""

import logging
import random
from collections.abc import Iterator

from paglets.model.enums import ServiceScope
from paglets.model.errors import InvalidRequestError, ServiceNotFoundError
from paglets.model.refs import HostRef
from paglets.runtime.choice import Standing, matching, newest, ranked, why_not
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


class Services:
    """Looks up services for one host; used from its loop."""

    def __init__(self, registry: Registry, hosts: PeerHosts, records: GossipRecords) -> None:
        self._registry = registry
        self._hosts = hosts
        self._records = records

    def find(self, query: LookupCall) -> LookupReply:
        """Return who serves a query, best first; where nobody does, why."""
        own = [record for record in self._registry if query.name in {"", record.name}]
        usable: list[ServiceBody] = []
        unusable: list[str] = []
        if query.scope is ServiceScope.MESH:
            for host, record in self._told(query.name):
                # One that drains is usable, since its paglets still answer, though last of all.
                if host.online and host.code_version == self._hosts.self_ref().code_version:
                    usable.append(record)
                else:
                    unusable.append(host.name)
        near = newest([*own, *usable])
        found = matching(near, query)
        if not found:
            missing = why_not(query, near, unusable)
            return LookupReply(services=(), reason=missing.reason, versions=missing.versions)
        # Shuffled, so that callers do not all take the first of several equally good ones.
        random.shuffle(found)
        return LookupReply(services=ranked(found, self._standings()))

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

    def _told(self, name: str) -> Iterator[tuple[HostRef, ServiceBody]]:
        """Yield what peers have told of services of a name."""
        hosts = {host.host_id: host for host in self._hosts.hosts()}
        for told in self._records.records(SERVICE_KIND, service_prefix(name)):
            host = hosts.get(told.host_id)
            if host is None:  # this host, whose registry is newer
                continue
            try:
                yield host, decode_service(told.key, told.payload, host)
            except InvalidRequestError as error:
                log.warning("%s", error.message)

    def _standings(self) -> dict[str, Standing]:
        """Return how the hosts compare, by id."""
        loads = {
            told.host_id: decode_load(told.payload) for told in self._records.records(LOAD_KIND)
        }
        me = self._hosts.self_ref()
        standings = {
            host.host_id: Standing(
                is_doubtful=host.status == "suspect" or host.error is not None,
                load=loads.get(host.host_id, 0),
                active=host.active_count,
            )
            for host in self._hosts.hosts()
        }
        standings[me.host_id] = Standing(is_elsewhere=False)
        return standings
