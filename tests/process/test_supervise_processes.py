"""All ways of starting Paglet Processes keep the same promises."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from paglets.model.errors import StorageFullError, UnavailableError
from paglets.supervise.channel import ChannelClosedError
from paglets.supervise.children import read_children
from paglets.supervise.process import ProcessFactory
from paglets.testing.waiting import turn, wait_until_async
from paglets.wire.frames import FrameTooLargeError
from tests.process.supervise_support import (
    Conversation,
    is_alive,
    make_factory,
    open_descriptors,
    spares_of,
    wait_for_spares,
)

WAIT = 20.0


@pytest.fixture(params=["forkserver", "spares", "spawn"])
async def factory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> AsyncIterator:
    monkeypatch.setenv("PAGLETS_KEY", "very-secret")
    monkeypatch.setenv("SOME_TOKEN", "very-secret")
    before = open_descriptors()
    made = make_factory(request.param, tmp_path)
    made.launch()
    made.attach()
    if request.param == "spares":
        await wait_for_spares(made)
    yield made
    await made.close(timeout=WAIT)
    made._children.close()
    await turn()
    await turn()
    assert open_descriptors() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def exit_of(process):
    async with asyncio.timeout(WAIT):
        return await process.wait()


async def test_a_process_answers_on_its_channel(factory: ProcessFactory) -> None:
    talk = Conversation(await factory.fork("t"))
    assert await talk.ask("echo hello") == "hello"


async def test_an_exit_code_is_reported(factory: ProcessFactory) -> None:
    process = await factory.fork("t")
    process.channel.send(b"exit 7")
    report = await exit_of(process)
    assert (report.exit_code, report.signal, report.expected) == (7, None, False)
    assert report.maxrss_bytes > 1_000_000
    assert process.exit_report == report


async def test_an_exit_that_the_host_asked_for_is_expected(factory: ProcessFactory) -> None:
    process = await factory.fork("t")
    process.expect_exit()
    process.channel.send(b"exit 0")
    assert (await exit_of(process)).expected


async def test_a_signal_is_reported(factory: ProcessFactory) -> None:
    process = await factory.fork("t")
    process.channel.send(b"signal 11")
    report = await exit_of(process)
    assert (report.exit_code, report.signal) == (None, signal.SIGSEGV)
    assert report.cause == "signal SIGSEGV"
    assert any("Fatal Python error" in line for line in process.output.lines)


async def test_an_uncaught_exception_is_exit_code_1_with_its_traceback(
    factory: ProcessFactory,
) -> None:
    process = await factory.fork("t")
    process.channel.send(b"raise some reason")
    assert (await exit_of(process)).exit_code == 1
    assert process.output.lines[-1] == "RuntimeError: some reason"


async def test_each_printed_line_is_told_while_the_process_runs(factory: ProcessFactory) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    talk = Conversation(await factory.fork("t", on_line=told.put_nowait))
    talk.tell("print Grüße")
    async with asyncio.timeout(WAIT):
        assert await told.get() == "Grüße"
    assert talk.process.exit_report is None


async def test_last_frames_and_output_are_there_before_the_exit_is_reported(
    factory: ProcessFactory,
) -> None:
    talk = Conversation(await factory.fork("t"))
    talk.tell("print-and-die no line feed")
    assert (await exit_of(talk.process)).signal == signal.SIGKILL
    assert talk.answers.qsize() == 100
    assert talk.process.output.lines == ["no line feed"]
    assert talk.closed.result() is None


@pytest.mark.parametrize("kind", ["forked", "exec"])
async def test_kill_ends_the_group_with_grandchildren(factory: ProcessFactory, kind: str) -> None:
    talk = Conversation(await factory.fork("t"))
    grandchild = int(await talk.ask(f"grandchild {kind}"))
    talk.process.kill()
    report = await exit_of(talk.process)
    assert (report.signal, report.expected) == (signal.SIGKILL, True)
    await wait_until_async(lambda: not is_alive(grandchild), timeout=2, what="grandchild gone")


async def test_grandchildren_do_not_outlive_a_crash(factory: ProcessFactory) -> None:
    talk = Conversation(await factory.fork("t"))
    grandchild = int(await talk.ask("grandchild exec"))
    talk.tell("exit 1")
    await exit_of(talk.process)
    await wait_until_async(lambda: not is_alive(grandchild), timeout=2, what="grandchild gone")


async def test_a_process_inherits_five_descriptors(factory: ProcessFactory) -> None:
    others = [Conversation(await factory.fork("t")) for _ in range(3)]
    await asyncio.gather(*(other.ask("echo x") for other in others))
    found = dict(line.split("=", 1) for line in (await others[-1].ask("fds")).splitlines())
    assert set(found) == {"0", "1", "2", "3", "4"}
    assert found["0"] == "/dev/null"
    assert found["1"] == found["2"]
    assert [found[each].split(":")[0] for each in "134"] == ["pipe", "socket", "pipe"]


async def test_a_process_sees_no_secret_of_the_host(factory: ProcessFactory) -> None:
    talk = Conversation(await factory.fork("t", environment={"GIVEN": "yes"}))
    seen = await talk.ask("environ")
    assert "very-secret" not in seen
    assert "GIVEN=yes" in seen.splitlines()
    assert any(line.startswith("PATH=") for line in seen.splitlines())


async def test_a_process_is_set_up_as_promised(factory: ProcessFactory, tmp_path: Path) -> None:
    talk = Conversation(await factory.fork("paglet:alpha:Tour:3f2a", directory=str(tmp_path)))
    facts = dict(line.split("=", 1) for line in (await talk.ask("facts")).splitlines())
    modules = set(facts.pop("modules").split())
    assert facts == {
        "session": "True",
        "group": "True",
        "comm": "paglet:alpha:To",
        "cmdline": "paglet:alpha:Tour:3f2a",
        "core": "(0, 0)",
        "privs": "1",
        "blocked": "0000000000000000",
        "sigchld": "True",
        "cwd": str(tmp_path),
    }
    assert not modules & {"asyncio", "aiohttp", "click", "psutil", "paglets.supervise.process"}


async def test_random_numbers_differ_between_processes(factory: ProcessFactory) -> None:
    talks = [Conversation(await factory.fork("t")) for _ in range(3)]
    assert len({await talk.ask("random") for talk in talks}) == 3


async def test_a_frame_over_the_limit_is_a_crash(factory: ProcessFactory) -> None:
    talk = Conversation(await factory.fork("t"))
    talk.tell("too-large")
    async with asyncio.timeout(WAIT):
        assert isinstance(await talk.closed, FrameTooLargeError)
    with pytest.raises(ChannelClosedError):
        talk.tell("echo x")
    report = await exit_of(talk.process)
    assert (report.signal, report.expected) == (signal.SIGKILL, False)


async def test_a_process_that_closes_its_channel_and_lives_on_is_ended(
    factory: ProcessFactory, monkeypatch
) -> None:
    monkeypatch.setattr("paglets.supervise.process._EXIT_TIMEOUT", 0.05)
    talk = Conversation(await factory.fork("t"))
    talk.tell("hang-up")
    report = await exit_of(talk.process)
    assert (report.signal, report.expected) == (signal.SIGKILL, False)


async def test_a_process_is_listed_when_it_is_handed_out(
    factory: ProcessFactory, tmp_path: Path
) -> None:
    process = await factory.fork("t")
    assert process.identity in read_children(tmp_path / "children")
    assert is_alive(process.pid)


async def test_a_process_that_cannot_be_listed_is_ended(
    factory: ProcessFactory, monkeypatch
) -> None:
    for _ in spares_of(factory):
        await factory.fork("t")
    listed = []

    def full(identity) -> None:
        listed.append(identity)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(factory._children, "add", full)
    with pytest.raises(StorageFullError):
        await factory.fork("t")
    monkeypatch.undo()
    await wait_until_async(lambda: not is_alive(listed[0].pid), timeout=WAIT, what="gone")


async def test_cancelling_a_fork_leaves_no_process(factory: ProcessFactory, tmp_path: Path) -> None:
    forks = [asyncio.create_task(factory.fork(f"t{n}")) for n in range(8)]
    for number, fork in enumerate(forks):
        await turn(number)
        fork.cancel()
    await asyncio.wait(forks)
    for fork in forks:
        if not fork.cancelled():
            fork.result().kill()
            await exit_of(fork.result())
    listed = [each.pid for each in read_children(tmp_path / "children")]
    server = getattr(factory, "forkserver_pid", None)
    await wait_until_async(
        lambda: not any(is_alive(pid) for pid in {*listed} - {server, *spares_of(factory)}),
        timeout=WAIT,
        what="gone",
    )


async def test_many_processes_started_at_once_all_answer(factory: ProcessFactory) -> None:
    processes = await asyncio.gather(*(factory.fork(f"t{n}") for n in range(12)))
    talks = [Conversation(each) for each in processes]
    answers = await asyncio.gather(*(talk.ask(f"echo {n}") for n, talk in enumerate(talks)))
    assert answers == [str(n) for n in range(12)]


async def test_a_working_directory_that_is_not_there_is_an_error_or_a_crash(
    factory: ProcessFactory,
) -> None:
    try:
        process = await factory.fork("t", directory="/does/not/exist")
    except UnavailableError:
        return
    assert (await exit_of(process)).exit_code == 1
    assert "FileNotFoundError" in process.output.lines[-1]


async def test_a_slow_reader_is_waited_for(factory: ProcessFactory) -> None:
    talk = Conversation(await factory.fork("t"))
    payload = b"echo " + b"x" * 200_000
    for _ in range(30):
        talk.process.channel.send(payload)
        await talk.process.channel.drain()
    async with asyncio.timeout(WAIT):
        for _ in range(30):
            assert len(await talk.answers.get()) == 200_000


async def test_a_new_generation_is_counted(factory: ProcessFactory) -> None:
    old = Conversation(await factory.fork("t"))
    assert await factory.replace() == factory.generation == 2
    new = Conversation(await factory.fork("t"))
    assert (old.process.generation, new.process.generation) == (1, 2)
    assert [await old.ask("echo a"), await new.ask("echo b")] == ["a", "b"]


async def test_a_factory_that_was_closed_starts_nothing(factory: ProcessFactory) -> None:
    running = await factory.fork("t")
    await factory.close(timeout=WAIT)
    assert running.exit_report is not None
    assert running.exit_report.expected
    with pytest.raises(UnavailableError, match="stopping"):
        await factory.fork("t")
