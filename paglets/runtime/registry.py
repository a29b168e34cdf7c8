"""Services of one host: who provides what, kept current as paglets come and go. Pure."""

from collections.abc import Iterable, Iterator

from paglets.model.enums import ServiceScope
from paglets.model.manifest import ClassManifest
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody


class Registry:
    """Service records by provider. One per host, used from its loop."""

    def __init__(self, host_name: str) -> None:
        self._host_name = host_name
        self._by_provider: dict[str, dict[tuple[str, str], ServiceBody]] = {}
        self.version = 0
        """Grows with every change."""

    def declare(self, ref: PagletProxyRef, manifest: ClassManifest) -> None:
        """Advertise the services a class declares, for a paglet that lives here now."""
        for contract in manifest.services:
            self.advertise(
                ServiceBody(
                    name=contract.name,
                    version=contract.version,
                    provider=ref,
                    operations=tuple(operation.name for operation in contract.operations),
                    scope=contract.scope,
                    host_name=self._host_name,
                    class_name=manifest.class_name,
                )
            )

    def advertise(self, record: ServiceBody) -> None:
        """Add or replace a record of its provider."""
        records = self._by_provider.setdefault(record.provider.agent_id, {})
        records[record.name, record.version] = record
        self.version += 1

    def withdraw(self, agent_id: str, name: str | None = None, version: str | None = None) -> None:
        """Remove one record of a provider, or all of them."""
        records = self._by_provider.get(agent_id)
        if records is None:
            return
        for key in list(records):
            if name is None or key == (name, version):
                del records[key]
        if not records:
            del self._by_provider[agent_id]
        self.version += 1

    def __iter__(self) -> Iterator[ServiceBody]:
        for records in list(self._by_provider.values()):
            yield from records.values()

    def shared(self) -> tuple[ServiceBody, ...]:
        """Return the records other hosts may see."""
        return tuple(record for record in self if record.scope is ServiceScope.MESH)


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
