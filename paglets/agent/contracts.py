"""What a service is: typed operations, and the contract that names them.

Contracts are module-level constants that providers and callers import. `agent/services.py` looks
them up and calls them; `agent/handlers.py` routes their messages to `@provides` methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from paglets.model.names import parse_name

Q = TypeVar("Q")
R = TypeVar("R")


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
        operations = tuple(self.operations)
        object.__setattr__(self, "operations", operations)
        names = [operation.name for operation in operations]
        if len(set(names)) < len(names):
            raise ValueError(f"service {self.name} names an operation twice: {', '.join(names)}")

    @property
    def operation_names(self) -> tuple[str, ...]:
        """Names of the operations, in order."""
        return tuple(operation.name for operation in self.operations)
