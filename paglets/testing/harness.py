"""PagletHarness: one paglet in the test's own process, with breakpoints and coverage.

    with PagletHarness(Tour, TourState()) as tour:
        tour.arrive("beta")
        assert tour.send("visits") == ["beta"]

The paglet's real runtime serves it; the host is played here. State goes through the codec at
every step, and hooks run in the order that `docs/hooks.md` shows.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from paglets.child.loader import AnyPaglet
from paglets.model.enums import Hook, Verb
from paglets.model.errors import (
    LifecycleError,
    PagletInactiveError,
    TransferError,
)
from paglets.model.events import ContextEvent
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.testing.harnesshost import ChildInThreads
from paglets.testing.playedmesh import PlayedMesh, played_host, played_url
from paglets.wire import calls
from paglets.wire import hostcalls as ops
from paglets.wire.calls import Departure, HostFacts, Load, Snapshot
from paglets.wire.codec import StateCodec
from paglets.wire.messages import decode_message, encode_message, wire_message
from paglets.wire.policies import decode_policy, encode_policy

P = TypeVar("P", bound=AnyPaglet)
Replies = Callable[["Sent"], JsonValue]
"""Plays the paglets that the one under test sends to: returns their reply, or raises."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the paglet sent."""

    to: PagletProxyRef
    kind: str
    args: dict[str, JsonValue]
    oneway: bool = False


class PagletHarness(Generic[P]):
    """One paglet, created on a played host; a context manager.

    Args:
        cls: Its class, in a module (not `__main__`, not inside a function).
        state: Its State at creation; None for the defaults.
        host: Name of the host it is created on.
        hosts: The hosts of the played mesh, by name or whole.
        replies: Plays the paglets it sends to; by default every reply is None.
        timeout: Seconds until a silent paglet fails the test.
    """

    def __init__(
        self,
        cls: type[P],
        state: object = None,
        *,
        host: str = "alpha",
        hosts: Sequence[str | HostRef] = ("alpha", "beta", "gamma"),
        replies: Replies | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._class_name = f"{cls.__module__}:{cls.__qualname__}"
        self._codec = StateCodec.for_class(None if state is None else type(state))
        self._initial = None if state is None else self._codec.to_json(state)
        self._replies = replies or (lambda _sent: None)
        self._timeout = timeout
        self._folder = Path(tempfile.mkdtemp(prefix="paglets-harness-"))
        self._child: ChildInThreads | None = None
        self._asleep: bytes | None = None
        self._departed = threading.Event()
        self.agent_id = new_id()
        known = {each.name: each for each in map(played_host, (host, *hosts))}
        self.mesh = PlayedMesh(host, self.agent_id, list(known.values()))
        """What it finds when it looks around; tests may change it, also before they enter."""
        self.epoch = Epoch()
        self.sent: list[Sent] = []
        """What it sent, in order."""
        self.moves: list[str] = []
        """Names of the hosts it went to, by itself or by `arrive`."""
        self.clones: list[str] = []
        """Names of the hosts it cloned itself to."""
        self.verbs: list[tuple[str, str]] = []
        """Life-cycle verbs that it asked for by proxies, each with the id of the paglet meant."""
        self.created: list[str] = []
        """Class names of the paglets it created."""
        self.is_disposed = False

    def __enter__(self) -> Self:
        try:
            self._load(None)
            self._hook(
                Hook.ON_CREATION,
                {"host_name": self.mesh.here, "host_address": played_url(self.mesh.here)},
            )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def host_name(self) -> str:
        """Where it is now."""
        return self.mesh.here

    @property
    def events(self) -> list[ContextEvent]:
        """What it recorded by `context.events`."""
        return self.mesh.events

    @property
    def is_active(self) -> bool:
        """Whether it runs; False while it sleeps and after its end."""
        return self._child is not None

    @property
    def paglet(self) -> P:
        """The author's object of now; another one after each move and activation.

        Raises:
            PagletInactiveError: It sleeps.
            LifecycleError: It was disposed.
        """
        return self._live().paglet  # type: ignore[return-value]  # loaded from the class given

    def _live(self) -> ChildInThreads:
        if self.is_disposed:
            raise LifecycleError("the paglet was disposed", agent_id=self.agent_id)
        if self._child is None:
            raise PagletInactiveError("the paglet sleeps: activate() wakes it")
        return self._child

    def send(self, message: Message | str, /, **args: JsonValue) -> JsonValue:
        """Send it a message and return the reply; a departure it asks for is carried out.

        Args:
            message: A Message, or a kind.
            args: With a kind: the message's arguments by name.

        Raises:
            PagletsError: What its handler raised, as a sender would get it.
        """
        if isinstance(message, str):
            message = Message(message, args)
        body = encode_message(wire_message(message, timeout=self._timeout))
        child = self._live()
        done = child.ask(lambda call: calls.Deliver(call=call, body=body), calls.Delivered)
        if done.departure is not None:
            self._follow(done.departure)
            return None
        return msgspec.json.decode(done.reply)

    def arrive(self, host: str) -> None:
        """Move it to `host`, as a proxy would: `on_dispatching`, a new life, `on_arrival`.

        Raises:
            PagletsError: A hook raised, or its state cannot travel; it stays where it was.
        """
        event = {"source_host_name": self.mesh.here, "target_host_name": host, "reason": "dispatch"}
        try:
            state = self._quiesce(Verb.DISPATCH, Hook.ON_DISPATCHING, event)
        except Exception:
            self._live().tell(calls.OpenGate())
            raise
        self.mesh.here, self.epoch = host, self.epoch.hop()
        self.moves.append(host)
        self._load(state)
        self._hook(Hook.ON_ARRIVAL, event)

    def deactivate(self, policy: DeactivationPolicy | None = None) -> None:
        """Put it to sleep: `on_deactivating`, then only its encoded state remains."""
        event = {"reason": "requested", "policy": encode_policy(policy or DeactivationPolicy())}
        self._asleep = self._quiesce(Verb.DEACTIVATE, Hook.ON_DEACTIVATING, event)

    def activate(self, reason: str = "requested") -> None:
        """Wake it: a new life from its encoded state, then `on_activation`."""
        if self._child is not None:
            return
        self._load(self._asleep)
        self._hook(Hook.ON_ACTIVATION, {"reason": reason})

    def dispose(self) -> None:
        """End it: `on_disposing`, cleanup, nothing remains."""
        self._quiesce(Verb.DISPOSE, Hook.ON_DISPOSING, {"reason": "requested"})
        self.is_disposed = True

    def wait_departure(self) -> None:
        """Wait until a departure that `run()` asked for has been carried out.

        Raises:
            LifecycleError: None was asked for in time.
        """
        if not self._departed.wait(self._timeout):
            raise LifecycleError(f"no departure within {self._timeout:g} s")
        self._departed.clear()

    def close(self) -> None:
        """End everything of it and remove its folders."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _load(self, state: bytes | None) -> None:
        folder = self._folder / self.mesh.here
        folder.mkdir(exist_ok=True)
        call = Load(
            call=0,
            agent_id=self.agent_id,
            class_name=self._class_name,
            host=HostFacts(
                host_id=self.mesh.here, name=self.mesh.here, url=played_url(self.mesh.here)
            ),
            epoch=self.epoch,
            state=None if state is None else Snapshot(data=state, size=len(state)),
            initial=self._initial if state is None else None,
            work_dir=str(folder / "work"),
            persistent_dir=str(folder / "persistent"),
            persistent_quota_bytes=1 << 30,
            incoming_dir=str(self._folder),
        )
        self._child = ChildInThreads(call, self._answers(), timeout=self._timeout)

    def _hook(self, hook: Hook, event: Mapping[str, object]) -> None:
        child = self._live()
        if hook.value in child.manifest.hooks:
            body = msgspec.json.encode({**event, "attempt": 1})
            done = child.ask(
                lambda call: calls.RunHook(call=call, hook=hook.value, event=body), calls.HookDone
            )
            if done.departure is not None:
                self._follow(done.departure)
                return
        child.tell(calls.OpenGate())

    def _quiesce(self, verb: Verb, hook: Hook, event: Mapping[str, object]) -> bytes:
        child = self._live()
        wanted = hook.value if hook.value in child.manifest.hooks else None
        body = msgspec.json.encode(event)
        timeout_ms = int(self._timeout * 1000)
        done = child.ask(
            lambda call: calls.Quiesce(
                call=call,
                verb=verb.value,
                hook=wanted,
                event=body,
                timeout_ms=timeout_ms,
                want_state=verb is not Verb.DISPOSE,
            ),
            calls.Quiesced,
        )
        self._child = None
        child.close()
        return b"" if done.snapshot is None else _bytes_of(done.snapshot)

    def _follow(self, departure: Departure) -> None:
        """Carry out what the paglet unwound for."""
        match Verb(departure.verb):
            case Verb.DISPATCH:
                assert departure.ticket is not None
                self.arrive(_name_of(departure.ticket))
            case Verb.DEACTIVATE:
                policy = departure.policy
                self.deactivate(None if policy is None else decode_policy(policy))
            case Verb.DISPOSE:
                self.dispose()
            case other:
                raise LifecycleError(f"a paglet cannot {other} itself")
        self._departed.set()

    def _answers(self) -> dict[str, Callable[[ops.Struct], ops.Struct]]:
        return {
            "send": self._on_send,
            "check": self._on_check,
            "clone": self._on_clone,
            "create": self._on_create,
            "lifecycle": self._on_lifecycle,
            "checkpoint": lambda _call: ops.Empty(),
            "depart": self._on_depart,
            "watch_queue": lambda _call: ops.Empty(),
            **self.mesh.answers(),
        }

    def _on_send(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.SendCall)
        message = decode_message(call.body)
        args = msgspec.json.decode(bytes(message.args))
        sent = Sent(call.to, message.kind, args, message.oneway)
        self.sent.append(sent)
        reply = None if message.oneway else self._replies(sent)
        return ops.SendReply(reply=msgspec.json.encode(reply))

    def _on_check(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.CheckCall)
        name = _name_of(call.ticket)
        if self.mesh.host(name) is None:
            raise TransferError(
                f"no host is called {name!r}; the harness plays "
                + ", ".join(each.name for each in self.mesh.hosts),
                reason="host_not_found",
            )
        return ops.CheckReply(check_id="harness", target_name=name)

    def _on_clone(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.CloneCall)
        name = self.mesh.here if call.ticket is None else _name_of(call.ticket)
        self.clones.append(name)
        return ops.ProxyReply(ref=self.mesh.ref(call.clone_agent_id or new_id(), name))

    def _on_create(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.CreateCall)
        self.created.append(call.class_name)
        return ops.ProxyReply(ref=self.mesh.ref(call.agent_id or new_id(), call.host))

    def _on_lifecycle(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.LifecycleCall)
        self.verbs.append((call.verb, call.ref.agent_id))
        return ops.ProxyReply(ref=call.ref)

    def _on_depart(self, call: ops.Struct) -> ops.Struct:
        assert isinstance(call, ops.DepartCall)
        self._follow(call.departure)
        return ops.Empty()


def _name_of(ticket: TransferTicket) -> str:
    destination = ticket.destination
    return destination.name if isinstance(destination, HostRef) else destination


def _bytes_of(snapshot: Snapshot) -> bytes:
    if snapshot.path is None:
        return snapshot.data or b""
    path = Path(snapshot.path)
    data = path.read_bytes()
    path.unlink()
    return data
