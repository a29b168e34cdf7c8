"""A message: a kind, JSON-compatible arguments, and how it is to be delivered."""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

import msgspec

from paglets.model.enums import Priority
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef

T = TypeVar("T")
JsonValue: TypeAlias = Any
"""None, bool, int, finite float, str, list of these, dict from str to these."""

DEPTH_LIMIT = 64
"""Deepest nesting of a JSON value that is sent or accepted."""


def require_json(value: object, where: str = "value", depth: int = 0) -> None:
    """Check that `value` is JSON-compatible.

    Raises:
        TypeError: It is not; the message names the place, such as `args['when']`.
    """
    if value is None or isinstance(value, bool | str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{where} is {value}, which JSON cannot hold")
        return
    if depth >= DEPTH_LIMIT:
        raise TypeError(f"{where} is nested deeper than {DEPTH_LIMIT}")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            require_json(item, f"{where}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}; JSON keys are strings")
            require_json(item, f"{where}[{key!r}]", depth + 1)
    else:
        raise TypeError(
            f"{where} is a {type(value).__name__}, which is not JSON-compatible; "
            "use Message.of(dataclass) or plain values"
        )


def kind_of(payload_type: type) -> str:
    """Return the message kind that stands for a payload class: its name."""
    return payload_type.__name__


@dataclass
class Message:
    """A JSON-compatible command for a paglet's `handle_message`."""

    kind: str
    args: dict[str, JsonValue] = field(default_factory=dict)
    arg: JsonValue = None
    """One value beside or instead of `args`."""
    priority: int = Priority.NORMAL
    sender: PagletProxyRef | None = None
    """Set by the runtime when a paglet sends; None for callers outside."""
    message_id: str = field(default_factory=new_id)
    timestamp: float = field(default_factory=time.time)
    """Unix seconds on the sender's clock; for people, never compared by the runtime."""

    def __post_init__(self) -> None:
        if not Priority.UNQUEUED <= self.priority <= Priority.MAX:
            raise ValueError(f"priority is {self.priority}; it is 0 (unqueued) or 1 to 10")
        require_json(self.args, "args")
        require_json(self.arg, "arg")

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone away or its time ran out; asked by long handlers."""
        return False

    @classmethod
    def of(
        cls, payload: object, *, kind: str | None = None, priority: int = Priority.NORMAL
    ) -> Self:
        """Make a message of a dataclass: its fields become `args`, its class name the kind.

        Raises:
            TypeError: `payload` is no dataclass, or holds values JSON cannot carry.
        """
        args = msgspec.to_builtins(payload)
        if not isinstance(args, dict):
            raise TypeError(f"Message.of takes a dataclass instance, not {type(payload).__name__}")
        return cls(kind or kind_of(type(payload)), args, priority=priority)

    def decode(self, payload_type: type[T]) -> T:
        """Return `args` as `payload_type`.

        Raises:
            msgspec.ValidationError: They do not fit; the message names the field.
        """
        return msgspec.convert(self.args, payload_type, strict=True)
