"""Services of one host: who provides what, always as current as the roster. Pure.

Class-declared services are derived from the paglets that live here, so that they come and go with
them; only what a paglet advertises by itself is kept.
"""

from collections.abc import Callable, Iterable, Iterator

from paglets.model.enums import ServiceScope
from paglets.model.manifest import ClassManifest, ContractManifest
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody

Living = Callable[[], Iterable[tuple[PagletProxyRef, ClassManifest]]]
"""Returns the paglets that can serve calls on this host now."""


class Registry:
    """Service records of one host, used from its loop."""

    def __init__(self, living: Living) -> None:
        self._living = living
        self._advertised: dict[str, dict[tuple[str, str], ServiceBody]] = {}

    def advertise(self, record: ServiceBody) -> None:
        """Add or replace what a provider advertises by itself."""
        records = self._advertised.setdefault(record.provider.agent_id, {})
        records[record.name, record.version] = record

    def withdraw(self, agent_id: str, name: str, version: str) -> None:
        """Remove what a provider advertised."""
        self._advertised.get(agent_id, {}).pop((name, version), None)

    def __iter__(self) -> Iterator[ServiceBody]:
        seen = set()
        for ref, manifest in self._living():
            seen.add(ref.agent_id)
            for contract in manifest.services:
                yield _record(ref, manifest, contract)
            yield from self._advertised.get(ref.agent_id, {}).values()
        for gone in self._advertised.keys() - seen:
            del self._advertised[gone]

    def shared(self) -> tuple[ServiceBody, ...]:
        """Return the records other hosts may see."""
        return tuple(record for record in self if record.scope is ServiceScope.MESH)


def _record(
    ref: PagletProxyRef, manifest: ClassManifest, contract: ContractManifest
) -> ServiceBody:
    return ServiceBody(
        name=contract.name,
        version=contract.version,
        provider=ref,
        operations=tuple(operation.name for operation in contract.operations),
        scope=contract.scope,
        host_name=ref.host_name,
        class_name=manifest.class_name,
    )


def matches(
    record: ServiceBody,
    *,
    name: str,
    version: str,
    operations: Iterable[str] = (),
    capabilities: Iterable[str] = (),
) -> bool:
    """Whether a record serves a contract: name, exact version, and every operation asked for."""
    return (
        record.name == name
        and record.version == version
        and set(operations) <= set(record.operations)
        and set(capabilities) <= set(record.capabilities)
    )
