"""A paglet in a real process, forked and spawned: load, message, crash, departure, exit codes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from paglets.model.message import Message
from paglets.model.refs import Epoch
from paglets.supervise.children import ChildrenList
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.supervise.process import PagletProcess, ProcessFactory
from paglets.supervise.spawnfactory import SpawnFactory
from paglets.testing.waiting import wait_until_async
from paglets.wire import calls
from paglets.wire.calls import decode_to_host, encode_call
from paglets.wire.messages import encode_message, wire_message
from tests.process.supervise_support import environment, wait_for_spares

COMMAND = (sys.executable, "-m", "paglets.child")
WAIT = 20.0

TOUR = """
import os
import sys
from dataclasses import dataclass, field
from paglets import Message, MobilityEvent, Paglet, handles

@dataclass
class TourState:
    visits: list[str] = field(default_factory=list)

class Tour(Paglet[TourState]):
    def on_arrival(self, event: MobilityEvent) -> None:
        self.state.visits.append(event.target_host_name)

    @handles("say")
    def say(self, text: str) -> int:
        print(text)
        return os.getpid()

    @handles("modules")
    def modules(self) -> list[str]:
        heavy = ("aiohttp", "asyncio", "click", "psutil", "rich", "sqlite3")
        return [name for name in heavy if name in sys.modules]

    @handles("ponder")
    async def ponder(self) -> str:
        import asyncio
        await asyncio.sleep(0)
        return "done"

    @handles("exit")
    def exit(self, code: int) -> None:
        os._exit(code)

    @handles("end")
    def end(self) -> None:
        self.dispose()

class Doomed(Paglet[None]):
    def run(self) -> None:
        raise ValueError("no luck")
"""


class Talk:
    """Plays the host for one process."""

    def __init__(self, process: PagletProcess, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.frames: asyncio.Queue[calls.ToHost] = asyncio.Queue()
        process.channel.listen(lambda data: self.frames.put_nowait(decode_to_host(data)))

    def tell(self, frame: calls.ToChild) -> None:
        self.process.channel.send(encode_call(frame))

    async def ask(self, frame: calls.ToChild) -> calls.ToHost:
        self.tell(frame)
        async with asyncio.timeout(WAIT):
            return await self.frames.get()

    async def open(self, name: str) -> None:
        load = calls.Load(
            call=1,
            agent_id="a1",
            class_name=f"tour:{name}",
            host=calls.HostFacts(host_id="h1", name="alpha", url="http://alpha:1"),
            epoch=Epoch(),
            import_paths=(str(self.folder),),
            incoming_dir=str(self.folder),
        )
        assert isinstance(await self.ask(load), calls.Loaded)
        self.tell(calls.OpenGate())

    async def send(self, kind: str, **args: object) -> calls.ToHost:
        body = encode_message(wire_message(Message(kind, args)))
        return await self.ask(calls.Deliver(call=2, body=body))

    async def reply(self, kind: str, **args: object) -> object:
        delivered = await self.send(kind, **args)
        assert isinstance(delivered, calls.Delivered), delivered
        return msgspec.json.decode(delivered.reply)

    async def exit_code(self) -> int | None:
        async with asyncio.timeout(WAIT):
            return (await self.process.wait()).exit_code


@pytest.fixture(params=["forkserver", "spares", pytest.param("spawn", marks=pytest.mark.slow)])
async def factory(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessFactory]:
    children = ChildrenList(tmp_path / "children")
    if request.param == "spawn":
        made: ProcessFactory = SpawnFactory(
            command=COMMAND, environment=environment(), children=children
        )
    else:
        made = ForkserverFactory(
            command=COMMAND,
            environment=environment(),
            children=children,
            spares=1 if request.param == "spares" else 0,
        )
    made.launch()
    made.attach()
    if request.param == "spares":
        await wait_for_spares(made, 1)
    yield made
    await made.close(timeout=WAIT)
    children.close()


@pytest.fixture
async def talk(factory: ProcessFactory, tmp_path: Path) -> Talk:
    (tmp_path / "tour.py").write_text(TOUR)
    return Talk(await factory.fork("paglet:alpha:Tour:a1"), tmp_path)


async def test_a_paglet_is_loaded_handles_messages_and_prints_to_its_log(talk: Talk):
    await talk.open("Tour")

    assert await talk.reply("say", text="hello") == talk.process.pid
    output = talk.process.output
    await wait_until_async(lambda: output.lines == ["hello"], timeout=WAIT, what="it has printed")


async def test_a_plain_paglet_loads_nothing_heavy(talk: Talk):
    await talk.open("Tour")

    assert await talk.reply("modules") == []


async def test_an_async_handler_gets_a_loop(talk: Talk):
    await talk.open("Tour")

    assert await talk.reply("ponder") == "done"


async def test_a_quiesced_process_exits_with_zero(talk: Talk):
    await talk.open("Tour")
    event = b'{"source_host_name":"alpha","target_host_name":"beta"}'

    quiesced = await talk.ask(calls.Quiesce(call=3, verb="dispatch", hook=None, event=event))

    assert isinstance(quiesced, calls.Quiesced)
    assert await talk.exit_code() == 0


async def test_an_exit_that_nobody_asked_for_is_reported_with_its_code(talk: Talk):
    await talk.open("Tour")

    talk.tell(
        calls.Deliver(call=2, body=encode_message(wire_message(Message("exit", {"code": 7}))))
    )

    assert await talk.exit_code() == 7


async def test_an_exception_in_run_ends_the_process_with_its_traceback_in_the_log(talk: Talk):
    await talk.open("Doomed")

    assert await talk.exit_code() == 1
    assert talk.process.output.lines[-1] == "ValueError: no luck"


async def test_a_departure_is_the_answer_to_its_message(talk: Talk):
    await talk.open("Tour")

    delivered = await talk.send("end")

    assert isinstance(delivered, calls.Delivered)
    assert delivered.departure is not None
    assert delivered.departure.verb == "dispose"


async def test_exit_ends_a_process_at_once(talk: Talk):
    await talk.open("Tour")

    talk.tell(calls.Exit())

    assert await talk.exit_code() == 0
