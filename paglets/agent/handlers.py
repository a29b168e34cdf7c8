"""`@handles` and `@provides`: which method gets which message, and with which arguments.

Tables are made and checked when a class is defined; annotations are read when it is loaded, since
they may name what is defined further down. Arguments are converted by msgspec, strictly.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast, overload

import msgspec

from paglets.agent.contracts import ServiceOperation
from paglets.agent.servicecalls import decode_request, encode_result
from paglets.model.errors import ClassLoadError, InvalidRequestError
from paglets.model.message import Message, kind_of
from paglets.wire.paths import decode_path

F = TypeVar("F", bound=Callable[..., object])
P = TypeVar("P")
Q = TypeVar("Q")
R = TypeVar("R")

_MARK = "__paglets_route__"


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a decorator writes on a method."""

    kind: str
    payload: type | None = None
    operation: ServiceOperation[Any, Any] | None = None


def handles(kind: str | type) -> Callable[[F], F]:
    """Mark a method as the handler of a kind of message.

    With a text, the message's `args` become the method's arguments by name, checked against its
    annotations; a parameter annotated `Message` gets the message itself. With a dataclass the
    method gets one instance of it: `Message.of` sends those. It too may have a second parameter
    annotated `Message`. What the method returns is the reply.
    """
    if isinstance(kind, type):
        mark = _Mark(kind_of(kind), payload=kind)
    elif kind:
        mark = _Mark(kind)
    else:
        raise TypeError("@handles takes a kind that is not empty, or a dataclass")
    return _marker(mark)


class _Provides(Generic[Q, R]):
    """Typed decorator for methods `(self, Q) -> R` or `(self, Q, Message) -> R`, also `async`."""

    def __init__(self, operation: ServiceOperation[Q, R]) -> None:
        self._operation = operation

    @overload
    def __call__(self, method: Callable[[P, Q], R]) -> Callable[[P, Q], R]: ...
    @overload
    def __call__(
        self, method: Callable[[P, Q], Awaitable[R]]
    ) -> Callable[[P, Q], Awaitable[R]]: ...
    @overload
    def __call__(self, method: Callable[[P, Q, Message], R]) -> Callable[[P, Q, Message], R]: ...
    @overload
    def __call__(
        self, method: Callable[[P, Q, Message], Awaitable[R]]
    ) -> Callable[[P, Q, Message], Awaitable[R]]: ...
    def __call__(self, method: Callable[..., object]) -> Callable[..., object]:
        operation = self._operation
        mark = _Mark(operation.name, payload=operation.request, operation=operation)
        return _marker(mark)(method)


def provides(operation: ServiceOperation[Q, R]) -> _Provides[Q, R]:
    """Mark a method as the provider of a contract's operation: `(self, request) -> reply`.

    With a second parameter annotated `Message` it also gets the message, which says who asks. It is
    called whether or not the class overrides `handle_message`.
    """
    if not isinstance(operation, ServiceOperation):
        raise TypeError(f"@provides takes a ServiceOperation, not {operation!r}")
    return _Provides(operation)


def _marker(mark: _Mark) -> Callable[[F], F]:
    def decorate(method: F) -> F:
        if hasattr(method, _MARK):
            raise TypeError(f"{method.__qualname__} is marked twice; write two methods")
        setattr(method, _MARK, mark)
        return method

    return decorate


@dataclass(slots=True)
class Route:
    """One handler of a class: how a message becomes a call of it."""

    kind: str
    method_name: str
    payload: type | None = None
    operation: ServiceOperation[Any, Any] | None = None
    _arguments: type[msgspec.Struct] | None = None
    _message_parameters: tuple[str, ...] = ()
    _has_rest: bool = False

    def call(self, paglet: object, message: Message) -> object:
        """Call the method; the result may be a coroutine, and is JSON for an operation.

        Raises:
            InvalidRequestError: The message's arguments do not fit.
            ServiceReplyError: What an operation's method returned does not fit its contract.
        """
        method: Callable[..., object] = getattr(paglet, self.method_name)
        extra = dict.fromkeys(self._message_parameters, message)
        if self.operation is not None:
            result = method(decode_request(self.operation, message.args), **extra)
            return self._checked(result, f"{type(paglet).__qualname__}.{self.method_name}")
        if self.payload is not None:
            return method(self._convert(message.args, self.payload), **extra)
        return method(**self._values(paglet, message))

    def prepare(self, cls: type) -> None:
        """Read the method's annotations; called when the class is loaded.

        Raises:
            ClassLoadError: An annotation cannot be read, or its type not made of JSON.
        """
        if self.payload is not None:
            self._check_payload(cls)
            return
        method = getattr(cls, self.method_name)
        hints = read_hints(method, cls)
        fields: list[tuple[str, Any, Any]] = []
        wants_message: list[str] = []
        for parameter in _parameters(method):
            hint = hints.get(parameter.name, Any)
            if parameter.kind is parameter.VAR_KEYWORD:
                self._has_rest = True
            elif hint is Message or (parameter.name == "message" and hint is Any):
                wants_message.append(parameter.name)
            else:
                default: object = msgspec.NODEFAULT
                if parameter.default is not parameter.empty:
                    hint, default = hint | msgspec.UnsetType, msgspec.UNSET
                fields.append((parameter.name, hint, default))
        self._message_parameters = tuple(wants_message)
        try:
            self._arguments = msgspec.defstruct(self.method_name, fields, kw_only=True)
            msgspec.convert({}, self._arguments | None, dec_hook=decode_path)
        except msgspec.ValidationError:
            pass
        except (TypeError, NotImplementedError) as error:
            raise ClassLoadError(
                f"{cls.__qualname__}.{self.method_name} has a parameter that no message can carry: "
                f"{error}"
            ) from error

    def _values(self, paglet: object, message: Message) -> dict[str, object]:
        if self._arguments is None:
            self.prepare(type(paglet))
        assert self._arguments is not None
        args: Mapping[str, object] = message.args
        names = self._arguments.__struct_fields__
        if "arg" in names and "arg" not in args:
            args = {**args, "arg": message.arg}
        unknown = args.keys() - names
        if unknown and not self._has_rest and not self._message_parameters:
            takes = ", ".join(names) or "no arguments"
            raise InvalidRequestError(
                f"{self.kind} takes {takes}, not {', '.join(sorted(unknown))}"
            )
        converted = self._convert(args, self._arguments)
        values: dict[str, object] = {
            name: value
            for name in names
            if (value := getattr(converted, name)) is not msgspec.UNSET
        }
        for name in self._message_parameters:
            values[name] = message
        if self._has_rest:
            values.update({name: args[name] for name in unknown})
        return values

    def _convert(self, args: Mapping[str, object], expected: type[R]) -> R:
        try:
            return msgspec.convert(args, expected, strict=True, dec_hook=decode_path)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"{self.kind}: {error}") from error

    def _check_payload(self, cls: type) -> None:
        method = getattr(cls, self.method_name)
        hints = read_hints(method, cls)
        parameters = _parameters(method)
        self._message_parameters = tuple(
            each.name for each in parameters[1:] if hints.get(each.name) is Message
        )
        needed = [
            each
            for each in parameters
            if each.default is each.empty and each.name not in self._message_parameters
        ]
        if len(needed) != 1:
            raise ClassLoadError(
                f"{cls.__qualname__}.{self.method_name} handles {self.kind}, so it takes (self, "
                f"{self.kind.lower()}: {getattr(self.payload, '__name__', self.kind)})"
            )
        if self.operation is not None:
            self._check_hints(cls, parameters[0].name, hints)

    def _check_hints(self, cls: type, parameter: str, hints: Mapping[str, object]) -> None:
        assert self.operation is not None
        wanted = {parameter: self.operation.request, "return": self.operation.reply}
        for name, expected in wanted.items():
            if name in hints and hints[name] not in (expected, Any):
                raise ClassLoadError(
                    f"{cls.__qualname__}.{self.method_name} provides {self.operation.name}, so "
                    f"{name} is {expected!r}, not {hints[name]!r}"
                )

    def _checked(self, result: object, provider: str) -> object:
        assert self.operation is not None
        if isinstance(result, CoroutineType):
            return _check_awaited(self.operation, result, provider)
        return encode_result(self.operation, result, provider)


@dataclass(slots=True)
class RoutingTable:
    """The handlers of a class, by kind."""

    routes: dict[str, Route] = field(default_factory=dict)

    def find(self, message: Message) -> Route | None:
        """Return the handler of this kind of message."""
        return self.routes.get(message.kind)

    def provider(self, kind: str) -> Route | None:
        """Return the `@provides` method of this kind."""
        route = self.routes.get(kind)
        return route if route is not None and route.operation is not None else None

    def provides(self, operation: ServiceOperation[Any, Any]) -> bool:
        """Whether there is a `@provides` method of this very operation."""
        route = self.routes.get(operation.name)
        return route is not None and route.operation == operation


def routing_table(cls: type) -> RoutingTable:
    """Return the handlers of `cls`, those of its bases included; a subclass may replace one.

    Raises:
        TypeError: Two methods of one class handle the same kind.
    """
    routes: dict[str, Route] = {}
    for base in reversed(cls.__mro__):
        own: dict[str, str] = {}
        for name, attribute in vars(base).items():
            mark = getattr(attribute, _MARK, None)
            if not isinstance(mark, _Mark):
                continue
            if mark.kind in own:
                raise TypeError(
                    f"{base.__qualname__}.{name} and .{own[mark.kind]} both handle {mark.kind!r}"
                )
            own[mark.kind] = name
            routes[mark.kind] = Route(mark.kind, name, mark.payload, mark.operation)
    return RoutingTable(routes)


def read_hints(method: Callable[..., object], cls: type) -> dict[str, object]:
    """Return the annotations of a method.

    Raises:
        ClassLoadError: One names something that does not exist.
    """
    try:
        return cast("dict[str, object]", typing.get_type_hints(method))
    except (NameError, TypeError, AttributeError) as error:
        name = getattr(method, "__name__", "method")
        raise ClassLoadError(
            f"the annotations of {cls.__qualname__}.{name} cannot be read: {error}"
        ) from error


async def _check_awaited(
    operation: ServiceOperation[Any, Any], result: Awaitable[object], provider: str
) -> msgspec.Raw:
    return encode_result(operation, await result, provider)


def _parameters(method: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())[1:]
