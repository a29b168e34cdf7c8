"""Crashes: what callers hear, what is kept, and who is started again."""

import os
import signal
from collections.abc import Callable

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import PagletCrashedError, PagletsError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from paglets.wire.hostbodies import EventBody
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]


def status_of(proxy: PagletProxy) -> str:
    return proxy.info().status


def wait_status(proxy: PagletProxy, status: str) -> None:
    wait_until(lambda: status_of(proxy) == status, timeout=PATIENCE, what=f"it is {status}")


@pytest.fixture
def fragile(make: Make) -> PagletProxy:
    return make("talking:Fragile")


def test_the_caller_hears_how_the_process_ended_and_what_it_said_last(
    fragile: PagletProxy,
) -> None:
    with pytest.raises(PagletCrashedError) as raised:
        fragile.send(Message("exit"))
    assert raised.value.exit_code == 7
    assert "last words" in str(raised.value.traceback_text)


def test_an_exit_of_the_handler_is_a_crash_whatever_its_code(fragile: PagletProxy) -> None:
    with pytest.raises(PagletCrashedError):
        fragile.send(Message("sys.exit"))
    wait_status(fragile, "crashed")


def test_a_killed_process_is_a_crash_with_its_signal(fragile: PagletProxy, mesh: LocalMesh) -> None:
    pid = fragile.info().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_status(fragile, "crashed")
    event = mesh["alpha"].observer.events(kind="crash", agent_id=fragile.agent_id)
    assert len(event) == 1
    assert "SIGKILL" in event[0].text


def test_later_calls_of_a_crashed_paglet_fail_until_it_is_activated(fragile: PagletProxy) -> None:
    fragile.send(Message("save"))
    with pytest.raises(PagletCrashedError):
        fragile.send(Message("exit"))
    wait_status(fragile, "crashed")
    with pytest.raises(PagletCrashedError, match="agent activate"):
        fragile.send(Message("tell"))
    with pytest.raises(PagletsError):
        fragile.dispatch("beta")
    fragile.activate()
    assert fragile.send(Message("tell"))[:2] == [1, 0], "from its last checkpoint"


def test_a_crashed_paglet_can_be_disposed_of(fragile: PagletProxy, mesh: LocalMesh) -> None:
    with pytest.raises(PagletCrashedError):
        fragile.send(Message("exit"))
    wait_status(fragile, "crashed")
    fragile.dispose()
    assert fragile.agent_id not in mesh["alpha"].statuses()


def test_what_a_paglet_printed_is_kept_after_its_death(
    fragile: PagletProxy, mesh: LocalMesh
) -> None:
    fragile.send(Message("speak", {"text": "hello from inside"}))
    with pytest.raises(PagletCrashedError):
        fragile.send(Message("exit"))
    wait_status(fragile, "crashed")
    lines = mesh["alpha"].observer.logs(fragile.agent_id)
    assert lines[:2] == ["hello from inside", "last words"]


def test_queued_messages_of_a_crashed_paglet_fail_at_once(fragile: PagletProxy) -> None:
    hanging = fragile.send_future(Message("hang"), timeout=60)
    wait_until(lambda: fragile.info().queued == 0, timeout=PATIENCE, what="it hangs")
    queued = fragile.send_future(Message("tell"), timeout=60)
    wait_until(lambda: fragile.info().queued == 1, timeout=PATIENCE, what="one waits")
    os.kill(fragile.info().pid or 0, signal.SIGKILL)
    for each in (hanging, queued):
        with pytest.raises(PagletCrashedError):
            each.result(PATIENCE)


def test_a_handler_over_its_limit_is_ended_as_a_crash(make: Make) -> None:
    impatient = make("talking:Impatient")
    with pytest.raises(PagletCrashedError):
        impatient.send(Message("hang"))
    wait_status(impatient, "crashed")


def test_a_hung_paglet_can_be_ended_by_force(fragile: PagletProxy, mesh: LocalMesh) -> None:
    hanging = fragile.send_future(Message("hang"), timeout=60)
    wait_until(lambda: fragile.info().queued == 0, timeout=PATIENCE, what="it hangs")
    fragile.dispose(force=True)
    assert fragile.agent_id not in mesh["alpha"].statuses()
    with pytest.raises(PagletsError):
        hanging.result(PATIENCE)


@pytest.mark.slow
def test_on_crash_starts_it_again_from_its_last_commit_with_growing_pauses(make: Make) -> None:
    phoenix = make("talking:Phoenix")
    phoenix.send(Message("save"))
    phoenix.send(Message("save"))
    pid = phoenix.send(Message("tell"))[2]
    for _ in range(2):
        with pytest.raises(PagletCrashedError) as raised:
            phoenix.send(Message("exit"))
        assert raised.value.restarting is True
        # Waits for the restart in the mailbox.
        told = phoenix.send(Message("tell"), timeout=PATIENCE)
        assert told[:2] == [2, 1]
        assert told[2] != pid


@pytest.mark.slow
def test_an_exception_in_run_is_a_crash_and_restarted_too(make: Make, mesh: LocalMesh) -> None:
    crashing = make("talking:CrashingRun")

    def crashes_of() -> list[EventBody]:
        return mesh["alpha"].observer.events(kind="crash", agent_id=crashing.agent_id)

    wait_until(lambda: len(crashes_of()) == 2, timeout=PATIENCE, what="it crashed twice")
    wait_status(crashing, "active")
    assert crashing.send(Message("tell"), timeout=PATIENCE) == 2
    crashes = crashes_of()
    assert crashes[1].time - crashes[0].time >= 0.4
    assert "run is not well" in "\n".join(mesh["alpha"].observer.logs(crashing.agent_id))
