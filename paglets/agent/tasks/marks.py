"""`@performs`: which method of a TaskPaglet does which operation."""

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from paglets.agent.contracts import ServiceOperation

P = TypeVar("P")
Q = TypeVar("Q")
R = TypeVar("R")

_MARK = "__paglets_performs__"


class _Performs(Generic[Q, R]):
    """Typed decorator for methods `(self, Q) -> R`."""

    def __init__(self, operation: ServiceOperation[Q, R]) -> None:
        self._operation = operation

    def __call__(self, method: Callable[[P, Q], R]) -> Callable[[P, Q], R]:
        if inspect.iscoroutinefunction(method):
            raise TypeError(f"@performs takes a plain method; {method.__qualname__} is async")
        setattr(method, _MARK, self._operation)
        return method


def performs(operation: ServiceOperation[Q, R]) -> _Performs[Q, R]:
    """Mark a method of a TaskPaglet as what performs an operation: `(self, request) -> result`.

    It runs in the thread of `run()`, one task at a time, and may take as long as it likes.
    """
    if not isinstance(operation, ServiceOperation):
        raise TypeError(f"@performs takes a ServiceOperation, not {operation!r}")
    return _Performs(operation)


def performers(cls: type) -> dict[str, tuple[ServiceOperation[Any, Any], str]]:
    """Return operation and method by the operation's name; a subclass may replace one."""
    found: dict[str, tuple[ServiceOperation[Any, Any], str]] = {}
    for base in reversed(cls.__mro__):
        for name, attribute in vars(base).items():
            operation = getattr(attribute, _MARK, None)
            if isinstance(operation, ServiceOperation):
                found[operation.name] = (operation, name)
    return found
