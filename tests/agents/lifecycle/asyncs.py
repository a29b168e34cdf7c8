"""Paglets whose hooks, handlers and `run()` are `async def`."""

import asyncio
from dataclasses import dataclass, field

from paglets import (
    CreationEvent,
    Message,
    MobilityEvent,
    Paglet,
    PagletProxyRef,
    Priority,
    handles,
    state_locked,
)


@dataclass
class WalkState:
    calls: list[str] = field(default_factory=list)
    rounds: int = 0


class AsyncWalker(Paglet[WalkState]):
    """Does everything in coroutines."""

    async def on_creation(self, event: CreationEvent) -> None:
        await asyncio.sleep(0)
        self.state.calls.append(f"on_creation@{event.host_name}")

    async def on_dispatching(self, event: MobilityEvent) -> None:
        await asyncio.sleep(0)
        self.state.calls.append(f"on_dispatching@{event.source_host_name}")

    async def on_arrival(self, event: MobilityEvent) -> None:
        await asyncio.sleep(0)
        self.state.calls.append(f"on_arrival@{event.target_host_name}")

    async def run(self) -> None:
        while not self.stopping:
            async with self.locked_state() as state:
                state.rounds += 1
            await asyncio.sleep(0.01)

    async def handle_message(self, message: Message) -> object:  # noqa: PLR0911 - a case each
        match message.kind:
            case "calls":
                await asyncio.sleep(0)
                return self.state.calls
            case "rounds":
                return self.state.rounds
            case "go":
                await asyncio.sleep(0)
                self.dispatch(message.args["to"])
            case "ask":
                return await self.send_future(self._other(message), Message("calls"))
            case "ask and block":
                return self.send(self._other(message), Message("calls"))
            case "ask all":
                return sorted([reply.result() async for reply in self.multicast(Message("who"))])
            case "who":
                return self.agent_id
        return self.not_handled()

    def _other(self, message: Message) -> PagletProxyRef:
        return PagletProxyRef(**message.args["other"])


@dataclass
class MeetingState:
    inside: int = 0
    most: int = 0


class Meeting(Paglet[MeetingState]):
    """UNQUEUED coroutines that meet each other in one loop."""

    def __init__(self) -> None:
        self.met = asyncio.Event()

    @handles("wait")
    async def wait(self) -> str:
        async with asyncio.timeout(10):
            await self.met.wait()
        return "met"

    @handles("meet")
    async def meet(self) -> None:
        self.met.set()

    @handles("step")
    @state_locked
    async def step(self) -> int:
        before = self.state.inside
        await asyncio.sleep(0.002)
        self.state.inside = before + 1
        return self.state.inside

    @handles("hold over await")
    async def hold(self) -> None:
        with self.locked_state():
            await asyncio.sleep(0.01)

    @handles("ask myself")
    async def ask_myself(self) -> object:
        urgent = Message("most", priority=Priority.UNQUEUED)
        return await self.send_future(self.context.proxy, urgent, int)

    @handles("most")
    def tell_most(self) -> int:
        return self.state.most
