"""What a service is: typed operations, and the contract that names them.

Contracts are module-level constants that providers and callers import. `agent/services.py` looks
them up and calls them; `agent/handlers.py` routes their messages to `@provides` methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, TypeVar, get_origin

from paglets.model.manifest import ContractManifest, OperationManifest
from paglets.model.names import parse_name
from paglets.wire.schema import json_schema

Q = TypeVar("Q")
R = TypeVar("R")


OPERATIONS_LIMIT = 32
"""Operations of one contract; their names travel in every record of it."""


@dataclass(frozen=True)
class ServiceOperation(Generic[Q, R]):
    """A typed operation: `TOKENIZE = ServiceOperation("tokenize", Text, Words)`."""

    name: str
    """Its stable name on the wire: the kind of its messages."""
    request: type[Q]
    """Dataclass of the request."""
    reply: type[R]
    """Dataclass, or any type JSON can carry, of the reply."""

    def __post_init__(self) -> None:
        parse_name(self.name, what="operation name")
        if not is_dataclass(get_origin(self.request) or self.request):
            raise TypeError(f"the request of operation {self.name} is a dataclass")


@dataclass(frozen=True)
class ServiceContract:
    """A service by name and exact version, with its operations.

    A provider matches when name and version are the same and it has the operation asked for, so
    operations can be added without breaking callers.
    """

    name: str
    operations: Sequence[ServiceOperation[Any, Any]]  # each has types of its own
    version: str = "1"

    def __post_init__(self) -> None:
        parse_name(self.name, what="service name")
        parse_name(self.version, what="service version")
        operations = tuple(self.operations)
        if len(operations) > OPERATIONS_LIMIT:
            raise ValueError(f"service {self.name} has more than {OPERATIONS_LIMIT} operations")
        object.__setattr__(self, "operations", operations)
        names = [operation.name for operation in operations]
        if len(set(names)) < len(names):
            raise ValueError(f"service {self.name} names an operation twice: {', '.join(names)}")

    @property
    def operation_names(self) -> tuple[str, ...]:
        """Names of the operations, in order."""
        return tuple(operation.name for operation in self.operations)


def contract_manifest(contract: ServiceContract) -> ContractManifest:
    """Return a contract as hosts know it, with the JSON schemas of its types.

    Raises:
        ClassLoadError: A type has no JSON form; the message says why.
    """
    return ContractManifest(
        name=contract.name,
        version=contract.version,
        operations=tuple(
            OperationManifest(
                name=operation.name,
                request_schema=json_schema(operation.request),
                reply_schema=json_schema(operation.reply),
            )
            for operation in contract.operations
        ),
    )
