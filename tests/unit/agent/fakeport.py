"""A HostPort whose answers a test writes."""

from collections.abc import Callable
from concurrent.futures import Future

from paglets.agent.port import Operation
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.model.refs import PagletProxyRef
from paglets.wire.hostcalls import SendCall, Struct
from paglets.wire.messages import WireMessage, decode_message

ME = PagletProxyRef("http://alpha:1", "a1")
OTHER = PagletProxyRef("http://beta:1", "b1")


class FakePort:
    """Keeps what is asked; `script` has the answers by operation."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Struct, float]] = []
        self.script: dict[str, Struct | PagletsError | Callable[[Struct], Struct]] = {}
        self.futures: list[Future] = []
        self.sender = ME
        self.ids: list[str] = []
        self.blocked: list[str] = []

    def waiting(self) -> tuple[str, ...]:
        return ("a1",)

    def derive_id(self) -> str | None:
        return self.ids.pop(0) if self.ids else None

    def require_blocking(self, what: str) -> None:
        self.blocked.append(what)

    def call(self, operation: Operation, request: Struct, *, timeout: float) -> Struct:
        assert isinstance(request, operation.request)
        self.asked.append((operation.name, request, timeout))
        answer = self.script[operation.name]
        if isinstance(answer, PagletsError):
            raise answer
        answer = answer(request) if callable(answer) else answer
        assert isinstance(answer, operation.reply)
        return answer

    def call_future(self, operation: Operation, request: Struct, *, timeout: float) -> Future:
        self.asked.append((operation.name, request, timeout))
        future: Future = Future()
        self.futures.append(future)
        return future

    def sent(self, index: int = -1) -> WireMessage:
        """Return a message that was sent."""
        _, request, _ = self.asked[index]
        assert isinstance(request, SendCall)
        return decode_message(request.body)


def ping() -> Message:
    return Message("ping", {"n": 1})
