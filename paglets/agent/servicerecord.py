"""ServiceRecord, and the decisions on records that handles of both kinds share. Pure.

The handles are `servicehandle.py` (blocking) and `connect/asyncservices.py` (awaited).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.model.enums import ServiceScope, require_enum
from paglets.model.errors import PagletNotFoundError, PagletsError, ServiceNotFoundError
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall, LookupReply


@dataclass(frozen=True)
class ServiceRecord:
    """An entry of the service registry: who provides what, and where."""

    name: str
    version: str
    provider: PagletProxyRef
    """The providing paglet."""
    operations: tuple[str, ...] = ()
    """Names of the operations it has."""
    scope: ServiceScope = ServiceScope.MESH
    capabilities: tuple[str, ...] = ()
    """What it can do beyond the contract, as it advertised; callers may ask for some."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What else it advertised, for people and callers."""
    host_name: str = ""
    """Where it was when it was found, or last answered."""


def record_of(body: ServiceBody, provider: PagletProxyRef) -> ServiceRecord:
    """Return a record with the present address of its provider."""
    return ServiceRecord(
        name=body.name,
        version=body.version,
        provider=provider,
        operations=body.operations,
        scope=body.scope,
        capabilities=body.capabilities,
        metadata=body.metadata,
        host_name=provider.host_name or body.host_name,
    )


def lookup_call(
    contract: ServiceContract,
    scope: ServiceScope,
    capabilities: Sequence[str],
    operations: Sequence[ServiceOperation[Any, Any]],
    host: str | None,
) -> LookupCall:
    """Return the question for providers of a contract.

    Raises:
        TypeError: `scope` is no ServiceScope, or an operation is not of the contract.
    """
    for operation in operations:
        require_of_contract(contract, operation)
    return LookupCall(
        name=contract.name,
        version=contract.version,
        operations=tuple(operation.name for operation in operations),
        scope=require_enum(scope, ServiceScope, "scope"),
        capabilities=tuple(capabilities),
        host=host or "",
    )


CAPABILITY_LIMIT = 64
"""Longest capability, in characters."""


def require_tellable(capabilities: Sequence[str], metadata: Mapping[str, str]) -> None:
    """Check what a paglet says of a service beside its contract.

    Raises:
        TypeError: Something is no text.
        ValueError: A capability is empty, too long, or has a comma, which parts them in requests.
    """
    if isinstance(capabilities, str):
        raise TypeError(f"capabilities are a list of texts, such as [{capabilities!r}]")
    for capability in capabilities:
        if not isinstance(capability, str):
            raise TypeError(f"a capability is text, not {capability!r}")
        if not 0 < len(capability) <= CAPABILITY_LIMIT or "," in capability:
            raise ValueError(
                f"{capability[:80]!r} is no capability: it has 1 to {CAPABILITY_LIMIT} characters "
                "and no comma"
            )
    for key, value in metadata.items():
        pair: tuple[object, object] = key, value
        if not all(isinstance(part, str) for part in pair):
            raise TypeError(f"metadata is text by text, not {key!r}: {value!r}")


def one_of(call: LookupCall) -> LookupCall:
    """Return the question for the best provider alone."""
    return msgspec.structs.replace(call, limit=1)


def best_of(reply: LookupReply, contract: ServiceContract) -> ServiceBody:
    """Return the best provider.

    Raises:
        ServiceNotFoundError: There is none; `versions` has those there are.
    """
    if not reply.services:
        reason = reply.reason or f"nobody provides {contract.name} version {contract.version}"
        raise ServiceNotFoundError(
            reason, name=contract.name, version=contract.version, versions=list(reply.versions)
        )
    return reply.services[0]


def require_of_contract(contract: ServiceContract, operation: ServiceOperation[Any, Any]) -> None:
    """Raise TypeError unless an operation is one of the contract."""
    if operation not in contract.operations:
        raise TypeError(
            f"{operation.name} is no operation of {contract.name} version {contract.version}, "
            f"which has {', '.join(contract.operation_names) or 'none'}"
        )


def require_offered(body: ServiceBody, operation: ServiceOperation[Any, Any]) -> None:
    """Raise ServiceNotFoundError unless the provider has an operation of the contract."""
    if operation.name not in body.operations:
        raise ServiceNotFoundError(
            f"the provider of {body.name} on {body.host_name} has no operation "
            f"{operation.name!r}; it has {', '.join(body.operations) or 'none'}",
            name=body.name,
            operation=operation.name,
        )


def nothing_ran(error: PagletsError) -> bool:
    """Whether a call that failed so has certainly not begun to run, so that another may be asked.

    The paglet is nowhere, or nothing reached its host, or its host says that it did not take it.
    """
    if isinstance(error, PagletNotFoundError):
        return True
    return error.detail.get("connected") is False or error.detail.get("handled") is False


def another(reply: LookupReply, failed: PagletProxyRef) -> ServiceBody | None:
    """Return the best provider that is not the one that failed, unless that has moved since."""
    for body in reply.services:
        ref = body.provider
        is_other = (ref.agent_id, ref.host_id or ref.host_name) != (
            failed.agent_id,
            failed.host_id or failed.host_name,
        )
        if is_other or ref.epoch > failed.epoch or ref.birth_id != failed.birth_id:
            return body
    return None


def named(provider: PagletProxyRef) -> str:
    """Return a provider for people."""
    return f"{provider.agent_id} on {provider.host_name or provider.host_url}"
