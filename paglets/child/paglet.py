"""One loaded paglet with the parts that serve it: made once per process, by the runner.

Only a place where the parts meet: it decides nothing.
"""

from collections.abc import Callable, Collection
from functools import partial

from paglets.agent.context import PagletContext
from paglets.agent.fanout.working import Worker, order_of
from paglets.agent.introspection import overridden_hooks
from paglets.agent.statelock import StateLock
from paglets.child.activity import Activity
from paglets.child.core import ChildCore
from paglets.child.files import PagletFiles
from paglets.child.gate import Gate
from paglets.child.hookcalls import HookCalls
from paglets.child.hostcalls import ChildPort
from paglets.child.loader import AnyPaglet, LoadedClass
from paglets.child.loopthread import LoopThread
from paglets.child.pipe import HostPipe
from paglets.child.snapshots import Snapshots
from paglets.child.travel import Travel
from paglets.child.watchdog import Watchdog
from paglets.model.enums import Durability
from paglets.model.errors import ClassLoadError
from paglets.model.refs import PagletProxyRef
from paglets.wire.calls import Load
from paglets.wire.failures import handler_error


class LivePaglet:
    """The paglet object and its parts.

    Args:
        call: What the host said of it.
        loaded: Its class and state.
        pipe: To the host.
        crash: Ends the process with an exception.

    Raises:
        ClassLoadError: Its `__init__` raised.
    """

    def __init__(
        self,
        call: Load,
        loaded: LoadedClass,
        pipe: HostPipe,
        crash: Callable[[BaseException], None],
    ) -> None:
        host = call.host
        ref = PagletProxyRef(host.url, call.agent_id, host.host_id, host.name, call.epoch)
        self.agent_id = call.agent_id
        self.manifest = loaded.manifest
        self.is_message = loaded.manifest.durability is Durability.MESSAGE
        self.pipe = pipe
        self.lock = StateLock()
        self.gate = Gate(self.lock)
        self.loop = LoopThread()
        self.port = ChildPort(pipe, ref)
        self.loop.before_waiting = self.port.about_to_block
        self.files = PagletFiles(call)
        self.object: AnyPaglet = loaded.cls.__new__(loaded.cls)
        self.snapshots = Snapshots(
            loaded.codec,
            self.lock,
            self.object,
            folder=call.incoming_dir,
            limit=call.state_limit_bytes,
            durability=loaded.manifest.durability,
        )
        self.snapshots.remember(loaded.data, loaded.size)
        self.core = ChildCore(
            self.port,
            self.gate,
            self.lock,
            snapshots=self.snapshots,
            files=self.files,
            durability=loaded.manifest.durability,
        )
        self.context = PagletContext(ref, host, self.port, self.core)
        self.context.services.provides = loaded.cls.routes.provides
        _construct(self.object, loaded.state, self.context)
        hooks = overridden_hooks(loaded.cls)
        self.watchdog = Watchdog()
        self.hooks = HookCalls(
            self.object, hooks, self.loop, self.watchdog, timeout=call.hook_timeout_ms / 1000
        )
        self.travel = Travel(self.object, loaded.itinerary_field, self.loop)
        activity = partial(Activity, port=self.port, gate=self.gate, loop=self.loop, crash=crash)
        self.run = activity(f"run of {loaded.cls.__name__}", _own_code(self.object, hooks))
        self.itinerary = activity("itinerary", self.travel.go_on)


def _own_code(paglet: AnyPaglet, hooks: Collection[str]) -> Callable[[], object] | None:
    """Return what goes on beside messages: a fan-out worker's share, else `run()` if there is."""
    order = order_of(paglet)
    if order is not None:
        return Worker(paglet, order).run
    return paglet.run if "run" in hooks else None


def _construct(paglet: AnyPaglet, state: object, context: PagletContext) -> None:
    paglet.state, paglet.context = state, context
    try:
        paglet.__init__()  # type: ignore[misc]  # made by __new__, so that both are set before
    except Exception as error:
        name = type(paglet).__qualname__
        raise ClassLoadError(
            f"{name}.__init__ raised {type(error).__name__}: {error}; it takes no arguments and "
            "runs each time the paglet's process starts",
            traceback_text=handler_error(error).detail["traceback_text"],
        ) from error
    paglet.state = state
