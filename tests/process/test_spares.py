"""Spare processes: what they are when they are claimed, and when they end unclaimed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from paglets.supervise.children import ChildrenList, read_children
from paglets.supervise.control import Lesson
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.supervise.spares import SPARE_TITLE
from paglets.testing.waiting import turn, wait_until_async
from tests.process.supervise_support import (
    Conversation,
    environment,
    is_alive,
    make_factory,
    open_descriptors,
    wait_for_spares,
)

WAIT = 20.0


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[ForkserverFactory]:
    (tmp_path / "owned.py").write_text("VERSION = 1\n")
    made = make_factory("spares", tmp_path, preload=("owned",), path=tmp_path)
    made.launch()
    made.attach()
    await wait_for_spares(made)
    yield made
    await made.close(timeout=WAIT)
    made._children.close()


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


async def test_a_spare_is_listed_and_named_as_such(factory, tmp_path) -> None:
    pids = factory.spare_pids
    assert {*pids} <= {each.pid for each in read_children(tmp_path / "children")}
    await wait_until_async(
        lambda: [title_of(pid) for pid in pids] == [SPARE_TITLE] * 2, timeout=WAIT, what="named"
    )


async def test_a_claimed_spare_is_what_was_asked_for(factory) -> None:
    first, second = factory.spare_pids
    lines: asyncio.Queue[str] = asyncio.Queue()
    talk = Conversation(await factory.fork("paglet:alpha:Tour:1", on_line=lines.put_nowait))
    assert talk.process.pid == first
    talk.tell("print hello")
    assert await lines.get() == "hello"
    assert await talk.ask("echo x") == "printed"
    assert title_of(first) == "paglet:alpha:Tour:1"
    assert (await wait_for_spares(factory))[0] == second


async def test_one_learns_what_is_expected_and_what_it_prints_is_of_who_claims_it(factory) -> None:
    lesson = Lesson("tour:Tour", ("agents",))
    factory.expect(lesson)
    lines: asyncio.Queue[str] = asyncio.Queue()
    pids = factory.spare_pids
    talk = Conversation(await factory.fork("t", on_line=lines.put_nowait, lesson=lesson))
    assert talk.process.pid == pids[0]
    assert await talk.ask("echo x") == "x"
    async with asyncio.timeout(WAIT):
        assert await lines.get() == "learned tour:Tour from agents"
    assert lines.empty()


async def test_who_is_to_load_something_else_gets_another(factory) -> None:
    factory.expect(Lesson("tour:Tour", ()))
    lines: asyncio.Queue[str] = asyncio.Queue()
    pids = factory.spare_pids
    lesson = Lesson("echo:Echo", ())
    talk = Conversation(await factory.fork("t", on_line=lines.put_nowait, lesson=lesson))
    assert talk.process.pid == pids[1]
    assert await talk.ask("echo x") == "x"
    assert lines.empty()


async def test_what_follows_the_claim_at_once_reaches_the_program_whole(factory) -> None:
    process = await factory.fork("t")
    process.channel.send(b"echo " + b"x" * 200_000)
    talk = Conversation(process)
    async with asyncio.timeout(WAIT):
        assert len(await talk.answers.get()) == 200_000


async def test_more_than_there_are_spares_are_forked(factory) -> None:
    processes = await asyncio.gather(*(factory.fork(f"t{n}") for n in range(6)))
    answers = [await Conversation(each).ask("echo x") for each in processes]
    assert answers == ["x"] * 6
    assert len({each.pid for each in processes}) == 6


async def test_another_environment_or_folder_is_forked_for(factory, tmp_path) -> None:
    spares = factory.spare_pids
    process = await factory.fork("t", environment={"GIVEN": "yes"})
    other = await factory.fork("t", directory=str(tmp_path))
    assert not {process.pid, other.pid} & {*spares}
    assert factory.spare_pids == spares


async def test_a_killed_spare_is_passed_over_and_replaced(factory) -> None:
    first, second = factory.spare_pids
    os.kill(first, signal.SIGKILL)
    await wait_until_async(lambda: not is_alive(first), timeout=WAIT, what="killed")
    talk = Conversation(await factory.fork("t"))
    assert talk.process.pid == second
    assert await talk.ask("echo x") == "x"
    assert first not in await wait_for_spares(factory)


async def test_spares_of_a_killed_forkserver_end_and_others_come(factory) -> None:
    old, server = factory.spare_pids, factory.forkserver_pid
    os.kill(server, signal.SIGKILL)
    await wait_until_async(lambda: not any(map(is_alive, old)), timeout=WAIT, what="old gone")
    assert not {*await wait_for_spares(factory)} & {*old}


async def test_spares_with_old_code_are_not_used_after_a_replacement(factory, tmp_path) -> None:
    old, server = factory.spare_pids, factory.forkserver_pid
    generation = await factory.replace()
    talk = Conversation(await factory.fork("t"))
    assert talk.process.generation == generation == 2
    assert talk.process.pid not in old
    await wait_until_async(
        lambda: not any(map(is_alive, [*old, server])), timeout=WAIT, what="old code gone"
    )


async def test_closing_ends_the_spares(factory, tmp_path) -> None:
    spares = factory.spare_pids
    await factory.close(timeout=WAIT)
    assert not any(map(is_alive, spares))


@pytest.mark.slow
async def test_200_claims_leak_no_descriptor_or_task(factory) -> None:
    def counts() -> tuple[int, int, int]:
        server = factory.forkserver_pid
        return len(open_descriptors()), len(open_descriptors(server)), len(asyncio.all_tasks())

    before = counts()
    for number in range(200):
        process = await factory.fork(f"t{number}")
        process.channel.send(b"exit 0")
        async with asyncio.timeout(WAIT):
            await process.wait()
    await wait_for_spares(factory)
    await turn()
    assert counts() == before


def test_preparing_leaves_no_thread_no_descriptor_and_no_word() -> None:
    program = (
        "import os, threading\n"
        "from paglets.child.preparing import prepare\n"
        "before = os.listdir('/proc/self/fd')\n"
        "prepare()\n"
        "assert os.listdir('/proc/self/fd') == before\n"
        "assert threading.active_count() == 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_where_preparing_fails_processes_are_forked(tmp_path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "broken_program.py").write_text(
        "import sys\n"
        "from paglets.supervise.childsetup import ChildProgram\n"
        "from paglets.supervise.program import run\n"
        "from tests.process.supervise_program import entry\n"
        "def prepare(): raise RuntimeError('cannot prepare')\n"
        "run(sys.argv[1:], ChildProgram(entry, prepare))\n"
    )
    command = (sys.executable, str(folder / "broken_program.py"))
    children = ChildrenList(folder / "children")
    factory = ForkserverFactory(
        command=command, environment=environment(), children=children, spares=1
    )
    factory.launch()
    factory.attach()
    (pid,) = await wait_for_spares(factory, 1)
    await wait_until_async(lambda: not is_alive(pid), timeout=WAIT, what="failed")
    talk = Conversation(await factory.fork("t"))
    assert await talk.ask("echo x") == "x"
    await factory.close(timeout=WAIT)
    children.close()
