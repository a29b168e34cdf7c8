"""Service records as they ride on the gossip: the key and payload of one provider's offer.

Pure. What the mesh knows of the provider's host anyway (id, name, URL) is not repeated; schemas are
asked of the provider's host when somebody wants to see them.
"""

import msgspec

from paglets.model.enums import ServiceScope
from paglets.model.errors import InvalidRequestError, TooLargeError
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.wire.bodies import ServiceBody

SERVICE_KIND = "service"
"""Kind of these records."""
LOAD_KIND = "load"
"""Kind of the records by which providers are compared."""
PAYLOAD_LIMIT_BYTES = 4096
"""Largest payload that the mesh carries."""


class _Payload(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is told beside the key; the order is the wire format."""

    operations: tuple[str, ...]
    epoch: Epoch
    birth_id: str
    class_name: str = ""
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Payload)


def service_key(record: ServiceBody) -> str:
    """Return the key of a record: a provider has one for each name and version."""
    return f"{record.name}/{record.version}/{record.provider.agent_id}"


def service_prefix(name: str) -> str:
    """Return what the keys of all providers of a service begin with; of all services for ``""``."""
    return f"{name}/" if name else ""


def encode_service(record: ServiceBody) -> bytes:
    """Return the payload of a record.

    Raises:
        TooLargeError: Capabilities and metadata are more than the mesh carries.
    """
    ref = record.provider
    payload = _encoder.encode(
        _Payload(
            operations=record.operations,
            epoch=ref.epoch,
            birth_id=ref.birth_id,
            class_name=record.class_name,
            capabilities=record.capabilities,
            metadata=record.metadata,
        )
    )
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        raise TooLargeError(
            f"service {record.name} of {ref.agent_id}: capabilities and metadata make a record of "
            f"{len(payload)} bytes, and the mesh carries {PAYLOAD_LIMIT_BYTES}; keep them short",
            service=record.name,
            agent_id=ref.agent_id,
        )
    return payload


def decode_service(key: str, payload: bytes, host: HostRef) -> ServiceBody:
    """Return the record that `host` has told.

    Raises:
        InvalidRequestError: It is no service record.
    """
    try:
        name, version, agent_id = key.split("/")
        told = _decoder.decode(payload)
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidRequestError(f"{host.name} told no service record at {key!r}") from error
    provider = PagletProxyRef(
        host_url=host.url,
        agent_id=agent_id,
        host_id=host.host_id,
        host_name=host.name,
        epoch=told.epoch,
        birth_id=told.birth_id,
    )
    return ServiceBody(
        name=name,
        version=version,
        provider=provider,
        operations=told.operations,
        scope=ServiceScope.MESH,
        capabilities=told.capabilities,
        metadata=told.metadata,
        host_name=host.name,
        class_name=told.class_name,
    )
