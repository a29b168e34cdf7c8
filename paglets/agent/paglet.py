"""Paglet: the class authors extend.

It holds the author's view only: state, context, hooks, verbs. Everything it does goes through its
context to the runtime of its process (`child/`), which also makes it: `Paglet` objects are never
made by calling the class.
"""

from collections.abc import Callable
from typing import ClassVar, Generic, NoReturn, TypeVar, overload

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.context import PagletContext
from paglets.agent.contracts import ServiceContract
from paglets.agent.future import FutureReply, ReplySet
from paglets.agent.handlers import RoutingTable, routing_table
from paglets.agent.hooks import LifecycleHooks
from paglets.agent.introspection import check_class_variables
from paglets.agent.proxy import SEND_TIMEOUT, PagletProxy
from paglets.agent.statelock import LockedState
from paglets.model.enums import Durability, RestartPolicy
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import Target

S = TypeVar("S")
T = TypeVar("T")


class Paglet(LifecycleHooks, Generic[S]):
    """A mobile object with explicit dataclass state, life-cycle hooks and message handling.

    `class Tour(Paglet[TourState])` has a State, `Paglet[None]` none. `state` and `context` are set
    before `__init__`, which takes no arguments and runs each time a process is started; other
    attributes are transient. The verbs that move or end the paglet (`dispatch`, `deactivate`,
    `dispose`) do not return: they unwind the handler, running its `finally` blocks.
    """

    durability: ClassVar[Durability] = Durability.LIFECYCLE
    """When state is committed to disk."""
    restart: ClassVar[RestartPolicy] = RestartPolicy.NEVER
    """What happens after a crash."""
    services: ClassVar[tuple[ServiceContract, ...]] = ()
    """Contracts it provides wherever it lives; each operation has a method marked `@provides`."""
    auto_start: ClassVar[AutoStartSpec | None] = None
    """Lets launch.toml start it by an alias."""
    run_grace: ClassVar[float] = 0.0
    """Seconds that life-cycle calls wait for `run()` to end."""
    handler_limit: ClassVar[float | None] = None
    """Seconds after which a handler is taken for hung: the process is killed, as a crash."""
    routes: ClassVar[RoutingTable] = RoutingTable()
    """Made of the methods marked `@handles` and `@provides`."""

    state: S
    """Moves with the paglet. Change it in handlers, or under the State Lock."""
    context: PagletContext
    """The present host."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        check_class_variables(cls)
        cls.routes = routing_table(cls)

    @property
    def agent_id(self) -> str:
        """Id of this paglet."""
        return self.context.agent_id

    @property
    def ref(self) -> PagletProxyRef:
        """Reference to this paglet, for State and messages."""
        return self.context.ref

    @property
    def stopping(self) -> bool:
        """Whether the paglet is about to leave, sleep or end; for `run()` and long handlers."""
        return self.context.core.stopping

    def sleep(self, seconds: float) -> bool:
        """Wait; return True at once when `stopping` turns true, False after `seconds`."""
        return self.context.core.sleep(seconds)

    def handle_message(self, message: Message) -> object:
        """Handle a message; what it returns is the reply. Plain or `async def`.

        This one routes by kind to the methods marked `@handles`. One that overrides it returns
        `self.not_handled()`, or `super().handle_message(message)`, for kinds it does not know.
        """
        route = self.routes.find(message)
        if route is None:
            self.not_handled()
        return route.call(self, message)

    def not_handled(self) -> NoReturn:
        """Tell the sender that there is no handler for this kind.

        Raises:
            NotHandledError: Always.
        """
        self.context.core.not_handled()

    def dispatch(self, target: Target) -> NoReturn:
        """Move to another host. The target is checked first; then this unwinds.

        What fails after the check is told to `on_move_failed`, and so is a refusal by the check.

        Args:
            target: A host name, HostRef, URL, or a TransferTicket with options.

        Raises:
            TransferError: The target refuses or cannot be reached; nothing has happened.
            PinnedError: It is a resident, which stays with its host.
            LifecycleError: Called in a hook of a life-cycle call that is under way.
        """
        self.context.dispatch(target)

    def clone(self, target: Target | None = None) -> PagletProxy:
        """Copy this paglet with a new id, to `target` or to this host, and go on.

        Runs `on_cloning` here before, `on_clone` in the clone and `on_cloned` here after.

        Raises:
            TransferError: The target refuses or cannot be reached.
            MoveInDoubtError: It has not answered; `agent_id` is the clone's.
        """
        return self.context.clone(target)

    def deactivate(self, policy: DeactivationPolicy | None = None) -> NoReturn:
        """Go to sleep on disk; unwinds. `policy` says what wakes it."""
        self.context.deactivate(policy)

    def dispose(self) -> NoReturn:
        """End for good; unwinds."""
        self.context.dispose()

    def checkpoint(self) -> None:
        """Commit the state to this host's disk; returns when it is durable.

        Raises:
            StateError: A value does not fit its annotation; what was committed before stays.
            LifecycleError: In a handler of a MESSAGE paglet, whose state is committed with its
                reply.
        """
        self.context.checkpoint()

    @overload
    def send(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        *,
        timeout: float = ...,
        retry_for: float | None = ...,
    ) -> JsonValue: ...
    @overload
    def send(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        reply_type: type[T],
        *,
        timeout: float = ...,
        retry_for: float | None = ...,
    ) -> T: ...
    def send(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        reply_type: type[T] | None = None,
        *,
        timeout: float = SEND_TIMEOUT,
        retry_for: float | None = None,
    ) -> JsonValue | T:
        """Send a message and wait for the reply; see `PagletProxy.send`."""
        proxy = self.context.resolve(to)
        if reply_type is None:
            return proxy.send(message, timeout=timeout, retry_for=retry_for)
        return proxy.send(message, reply_type, timeout=timeout, retry_for=retry_for)

    def send_oneway(self, to: PagletProxy | PagletProxyRef, message: Message) -> None:
        """Send a message nobody waits for; see `PagletProxy.send_oneway`."""
        self.context.resolve(to).send_oneway(message)

    @overload
    def send_future(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        *,
        timeout: float = ...,
    ) -> FutureReply[JsonValue]: ...
    @overload
    def send_future(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        reply_type: type[T],
        *,
        timeout: float = ...,
    ) -> FutureReply[T]: ...
    def send_future(
        self,
        to: PagletProxy | PagletProxyRef,
        message: Message,
        reply_type: type[T] | None = None,
        *,
        timeout: float = SEND_TIMEOUT,
    ) -> FutureReply[JsonValue] | FutureReply[T]:
        """Send a message and go on; async code awaits the result."""
        proxy = self.context.resolve(to)
        if reply_type is None:
            return proxy.send_future(message, timeout=timeout)
        return proxy.send_future(message, reply_type, timeout=timeout)

    def multicast(self, message: Message, *, timeout: float = SEND_TIMEOUT) -> ReplySet[JsonValue]:
        """Send a message to every active paglet of this host but this one."""
        return self.context.multicast(message, timeout=timeout)

    def locked_state(self) -> LockedState[S]:
        """Return the state under the State Lock: `with self.locked_state() as state:`.

        For short sections that other calls must not see half done. Reentrant; `async with` in
        async code that awaits inside.
        """
        return LockedState(self.context.core.lock, self.state)

    def locked(self) -> LockedState[None]:
        """Return the State Lock alone as a context manager."""
        return LockedState(self.context.core.lock, None)

    def wait_state(self, predicate: Callable[[S], bool], timeout: float) -> bool:
        """Wait until `predicate(state)` holds, asked under the State Lock after each change.

        Inside a handler only UNQUEUED messages and `run()` can change the state meanwhile. Ends
        early when the paglet is about to leave.

        Args:
            predicate: Quick, without side effects.
            timeout: Seconds to wait.

        Returns:
            What `predicate` said last.
        """
        return self.context.core.wait_state(lambda: predicate(self.state), timeout)

    def notify_state_changed(self) -> None:
        """Make every `wait_state` look again; leaving `locked_state()` does so too."""
        self.context.core.lock.notify_all()

    def wait_message(self, timeout: float) -> bool:
        """Wait until a message is queued behind this one, or a notification comes.

        Args:
            timeout: Seconds to wait.

        Returns:
            False if the time ran out or the paglet is about to leave.
        """
        return self.context.core.wait_message(timeout)

    def notify_message(self) -> None:
        """Wake one call that is in `wait_message`."""
        self.context.core.notify_message(everyone=False)

    def notify_all_messages(self) -> None:
        """Wake every call that is in `wait_message`."""
        self.context.core.notify_message(everyone=True)
