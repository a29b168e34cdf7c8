"""FanOut: stands in the State of a paglet that has its clones on other hosts do something."""

import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from paglets.agent.fanout.gathering import Gathering, Wanted
from paglets.agent.fanout.model import Gathered, Order
from paglets.agent.fanout.shares import choose_hosts
from paglets.model.message import JsonValue
from paglets.model.refs import PagletProxyRef
from paglets.wire.jsonvalues import decode_reply, encode_json_value

if TYPE_CHECKING:
    from paglets.agent.paglet import Paglet

R = TypeVar("R")

DEADLINE = 60.0
"""Seconds a gathering takes at most, if nothing else is said."""


def go_on() -> str:
    """Stop nothing."""
    return ""


@dataclass
class FanOut:
    """Has one clone of the paglet on each of many hosts call a method, and collects the results.

        @dataclass
        class CountState:
            folder: Path
            fan_out: FanOut = field(default_factory=FanOut)

        class Count(Paglet[CountState]):
            @handles("count")
            def count(self) -> dict[str, int]:
                return dict(self.state.fan_out.gather(self.look).results)

            def look(self) -> int:
                return len(list(self.state.folder.iterdir()))

    The clones, its workers, have the State as it is when `gather` is called. Their `run()` is not
    started: they call the method, report what it returns and end. None is left when `gather`
    returns, also where hosts were killed meanwhile: such a worker ends itself as soon as its host
    is back. One whose leader ends, is started again or loses interest ends itself within seconds,
    whatever it does.
    """

    order: Order | None = None
    """In a clone: what it does. For the runtime."""

    @property
    def leader(self) -> PagletProxyRef | None:
        """In a worker, who waits for its result, for messages on the way; else None."""
        return None if self.order is None else self.order.leader

    @property
    def seconds(self) -> float:
        """In a worker, how long its leader waited yet when it was cloned; else 0."""
        return 0.0 if self.order is None else self.order.seconds

    def gather(
        self,
        method: Callable[[], R],
        *,
        hosts: Sequence[str] | None = None,
        deadline: float = DEADLINE,
        stop: Callable[[], str] = go_on,
    ) -> Gathered[R]:
        """Call a method of the paglet on each host; return the results and why some are missing.

        Blocks, in a handler or in `run()`. What a clone is doing at the deadline is cut short.

        Args:
            method: `self.look`: a method of this paglet, plain and without arguments. What it
                returns is a dataclass or JSON-compatible, as its annotation says.
            hosts: Names; None: all that are online, this one included.
            deadline: Seconds for all of it.
            stop: Asked twice a second; a text ends it, as the reason.

        Raises:
            ConflictError: The paglet gathers already.
            TypeError: That is no such method.
        """
        return self.start(method, hosts=hosts, deadline=deadline, stop=stop).wait()

    def start(
        self,
        method: Callable[[], R],
        *,
        hosts: Sequence[str] | None = None,
        deadline: float = DEADLINE,
        stop: Callable[[], str] = go_on,
    ) -> Gathering[R]:
        """Return a gathering whose `shares()` other threads may look at; `wait()` does it.

        Arguments and errors as for `gather`.
        """
        paglet = _owner_of(method)
        known = paglet.context.mesh.hosts(online_only=False)
        wanted = Wanted(method.__name__, _converter(method), deadline, stop)
        return Gathering(paglet, self._field_of(paglet), wanted, choose_hosts(hosts, known))

    def _field_of(self, paglet: "Paglet[object]") -> str:
        state = paglet.state
        if is_dataclass(state):
            for each in fields(state):
                if getattr(state, each.name) is self:
                    return each.name
        raise TypeError(f"this FanOut is no field of the State of {type(paglet).__qualname__}")


def _owner_of(method: Callable[[], object]) -> "Paglet[object]":
    owner = getattr(method, "__self__", None)
    name = getattr(method, "__name__", "")
    if not hasattr(owner, "locked_state") or getattr(type(owner), name, None) is None:
        raise TypeError("gather takes a method of the paglet, such as self.look")
    if inspect.iscoroutinefunction(method):
        raise TypeError(f"gather takes a plain method; {name} is async")
    return cast("Paglet[object]", owner)


def _converter(method: Callable[[], R]) -> Callable[[JsonValue], R]:
    expected = typing.get_type_hints(method).get("return", Any)
    if expected is Any:
        return lambda value: cast("R", value)
    kind = type(None) if expected is None else expected
    return lambda value: cast("R", decode_reply(encode_json_value(value), kind))
