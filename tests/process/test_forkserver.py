"""The forkserver dies, is replaced, refuses threads, and leaks nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from paglets.model.errors import UnavailableError
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.testing.waiting import turn, wait_until_async
from tests.process.supervise_support import (
    Conversation,
    children_of,
    is_alive,
    make_factory,
    open_descriptors,
)

WAIT = 20.0


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., ForkserverFactory]]:
    made: list[ForkserverFactory] = []

    def start_factory(**options: object) -> ForkserverFactory:
        factory = make_factory("forkserver", tmp_path, **options)
        factory.launch()
        factory.attach()
        made.append(factory)
        return factory

    yield start_factory
    for factory in made:
        await factory.close(timeout=WAIT)
        factory._children.close()


async def exit_of(process):
    async with asyncio.timeout(WAIT):
        return await process.wait()


def kill_forkserver(factory: ForkserverFactory) -> int:
    pid = factory.forkserver_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_children_live_on_when_the_forkserver_is_killed(start) -> None:
    factory = start()
    talk = Conversation(await factory.fork("t"))
    pid = kill_forkserver(factory)
    await wait_until_async(lambda: factory.forkserver_pid not in {None, pid}, timeout=WAIT, what="")
    assert await talk.ask("echo still here") == "still here"
    newer = Conversation(await factory.fork("t"))
    assert await newer.ask("echo new") == "new"
    assert talk.process.generation == newer.process.generation == 1


async def test_exits_of_orphaned_children_are_reported(start) -> None:
    factory = start()
    talk = Conversation(await factory.fork("t"))
    kill_forkserver(factory)
    await wait_until_async(lambda: factory.forkserver_pid is None, timeout=WAIT, what="noticed")
    talk.tell("print-and-die last words")
    report = await exit_of(talk.process)
    assert (report.exit_code, report.signal, report.expected) == (None, None, False)
    assert "unknown" in report.cause
    assert talk.process.output.lines == ["last words"]
    assert talk.answers.qsize() == 100


async def test_an_orphaned_child_that_holds_the_gil_can_be_killed(start) -> None:
    factory = start()
    talk = Conversation(await factory.fork("t"))
    assert await talk.ask("busy") == "busy"
    kill_forkserver(factory)
    await wait_until_async(lambda: factory.forkserver_pid is None, timeout=WAIT, what="noticed")
    talk.process.kill()
    assert (await exit_of(talk.process)).expected
    assert not is_alive(talk.process.pid)


async def test_forks_under_way_survive_a_killed_forkserver(start) -> None:
    factory = start()
    forks = [asyncio.create_task(factory.fork(f"t{n}")) for n in range(60)]
    await forks[5]
    kill_forkserver(factory)
    processes = await asyncio.gather(*forks)
    talks = [Conversation(each) for each in processes]
    answers = await asyncio.gather(*(talk.ask(f"echo {n}") for n, talk in enumerate(talks)))
    assert answers == [str(n) for n in range(60)]
    assert len({each.pid for each in processes}) == 60
    for process in processes:
        process.kill()
    reports = [await exit_of(process) for process in processes]
    assert all(report.expected for report in reports)


async def test_a_retired_forkserver_ends_with_its_last_child(start) -> None:
    factory = start()
    old = factory.forkserver_pid
    talk = Conversation(await factory.fork("t"))
    await factory.replace()
    assert is_alive(old)
    assert await talk.ask("echo x") == "x"
    talk.tell("exit 0")
    await exit_of(talk.process)
    await wait_until_async(lambda: not is_alive(old), timeout=WAIT, what="old forkserver gone")


async def test_children_see_new_code_after_a_replacement(start, tmp_path: Path) -> None:
    module = tmp_path / "owned.py"
    module.write_text("print('one')\n")
    factory = start(preload=("owned",), path=tmp_path)
    await factory.wait_ready()
    module.write_text("raise ValueError('two is broken')\n")
    await factory.replace()
    assert "two is broken" in factory.preload_failures["owned"]


async def test_a_module_that_cannot_be_preloaded_is_reported_and_left_out(start) -> None:
    factory = start(preload=("no_such_module", "json"))
    talk = Conversation(await factory.fork("t"))
    facts = dict(line.split("=", 1) for line in (await talk.ask("facts")).splitlines())
    assert "json" in facts["modules"].split()
    assert "No module named 'no_such_module'" in factory.preload_failures["no_such_module"]


async def test_a_module_that_starts_threads_is_not_preloaded_again(start, tmp_path: Path) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, name='lurker', daemon=True).start()\n"
    )
    factory = start(preload=("threaded", "json"), path=tmp_path)
    talk = Conversation(await factory.fork("t"))
    facts = dict(line.split("=", 1) for line in (await talk.ask("facts")).splitlines())
    assert "json" in facts["modules"].split()
    assert "threaded" not in facts["modules"].split()
    assert "lurker" in factory.preload_failures["threaded"]


async def test_a_stopped_forkserver_is_replaced_after_the_fork_timeout(start) -> None:
    factory = start()
    await factory.wait_ready()
    factory._fork_timeout = 0.3
    pid = factory.forkserver_pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
        await factory.fork("t")
    factory._fork_timeout = WAIT
    talk = Conversation(await factory.fork("t"))
    assert await talk.ask("echo x") == "x"
    await wait_until_async(lambda: not is_alive(pid), timeout=WAIT, what="stopped one gone")


async def test_a_replacement_that_fails_leaves_the_old_one_in_use(start) -> None:
    factory = start()
    await factory.wait_ready()
    good, factory._command = factory._command, ("/bin/false",)
    with pytest.raises(UnavailableError):
        await factory.replace()
    factory._command = good
    assert factory.generation == 1
    assert await Conversation(await factory.fork("t")).ask("echo x") == "x"


@pytest.mark.slow
async def test_300_lives_leak_no_descriptor_process_or_task(start) -> None:
    factory = start()
    await factory.wait_ready()
    server = factory.forkserver_pid

    def counts() -> tuple[int, int, int]:
        ours, theirs = len(open_descriptors()), len(open_descriptors(server))
        return ours, theirs, len(asyncio.all_tasks())

    async def live(number: int) -> None:
        process = await factory.fork(f"t{number}")
        process.channel.send(b"exit 0")
        await exit_of(process)

    await live(0)
    before = counts()
    for start_number in range(0, 300, 20):
        await asyncio.gather(*(live(start_number + n) for n in range(20)))
    await turn()
    assert counts() == before
    assert children_of(server) == []


def test_everything_works_on_uvloop_too(tmp_path: Path) -> None:
    factory = make_factory("forkserver", tmp_path)
    factory.launch()

    async def main() -> None:
        factory.attach()
        talk = Conversation(await factory.fork("t"))
        assert [await talk.ask(f"echo {n}") for n in range(20)] == [str(n) for n in range(20)]
        talk.tell("print-and-die last words")
        report = await exit_of(talk.process)
        assert report.signal == signal.SIGKILL
        assert talk.answers.qsize() == 100
        assert talk.process.output.lines == ["last words"]
        await factory.fork("t")
        await factory.close(timeout=WAIT)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    factory._children.close()
