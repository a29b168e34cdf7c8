"""The author's side of user-info, over a port whose answers are written here."""

import threading

import msgspec
import pytest

from paglets.agent.context import PagletContext
from paglets.model.enums import Severity
from paglets.model.errors import (
    DeadlineError,
    InvalidNameError,
    ServiceNotFoundError,
    UnavailableError,
)
from paglets.system.user_info import telling
from paglets.system.user_info.contract import LINES_AT_ONCE, USER_INFO
from paglets.system.user_info.telling import UserStream, notify
from paglets.wire.bodies import ServiceBody
from paglets.wire.calls import HostFacts
from paglets.wire.hostcalls import LookupReply, SendReply
from tests.unit.agent.fakeport import ME, OTHER, FakePort

POSTED = SendReply(reply=msgspec.json.encode({"journal": "j1", "sequence": 7}))
BODY = ServiceBody(
    name="user-info", version="1", provider=OTHER, operations=USER_INFO.operation_names,
    host_name="beta",
)  # fmt: skip


@pytest.fixture
def port() -> FakePort:
    port = FakePort()
    port.script = {"lookup": LookupReply(services=(BODY,)), "send": POSTED}
    return port


@pytest.fixture
def context(port: FakePort) -> PagletContext:
    facts = HostFacts(host_id="h1", name="alpha", url="http://alpha:1")
    return PagletContext(ME, facts, port, core=None)


def lines(port: FakePort, index: int = -1) -> list[str]:
    return msgspec.json.decode(port.sent(index).args)["lines"]


def answer(port: FakePort, outcome: object = POSTED) -> None:
    future = next(each for each in port.futures if not each.done())
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def test_a_notification_goes_to_the_best_user_info_until_it_is_written_down(context, port):
    posted = notify(context, "Backup done", "in 3 s", Severity.WARNING, timeout=9.0)

    assert (posted.journal, posted.sequence) == ("j1", 7)
    sent = port.sent()
    assert (sent.kind, sent.sender, sent.retry_for_ms) == ("notify", ME, 9000)
    assert msgspec.json.decode(sent.args) == {
        "title": "Backup done", "text": "in 3 s", "severity": "warning",
    }  # fmt: skip


def test_a_severity_is_a_severity(context):
    with pytest.raises(TypeError, match=r"Severity\.INFO"):
        notify(context, "x", severity="error")


def test_without_a_user_info_the_author_is_told(context, port):
    port.script["lookup"] = LookupReply(services=())

    with pytest.raises(ServiceNotFoundError):
        notify(context, "x")
    with pytest.raises(ServiceNotFoundError):
        UserStream(context, "log")


def test_the_first_line_leaves_at_once_and_what_comes_meanwhile_together(context, port):
    log = UserStream(context, "log")
    log.write("one")
    log.write("two")
    log.write("three", "four")

    assert len(port.futures) == 1
    assert lines(port) == ["one"]
    answer(port)
    assert lines(port) == ["two", "three", "four"]
    answer(port)
    assert len(port.futures) == 2


def test_more_lines_than_go_at_once_go_one_batch_after_another(context, port):
    log = UserStream(context, "log")
    log.write(*["x"] * (LINES_AT_ONCE + 5))
    answer(port)

    assert len(lines(port, -2)) + len(lines(port, -1)) == LINES_AT_ONCE + 5
    assert len(lines(port, -2)) < LINES_AT_ONCE


def test_what_waits_too_long_gives_way_and_the_stream_says_so(context, port, monkeypatch):
    monkeypatch.setattr(telling, "WAITING_LINES", 3)
    log = UserStream(context, "log")
    log.write("first")
    log.write(*"abcde")
    answer(port)

    assert lines(port) == ["… 2 lines were dropped here", "c", "d", "e"]


def test_the_end_of_the_block_waits_until_all_is_written_down(context, port):
    def write() -> None:
        with UserStream(context, "log") as log:
            log.write("one")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    answer(port)
    thread.join(5)
    assert not thread.is_alive()


def test_who_waits_in_vain_is_told(context):
    log = UserStream(context, "log")
    log.write("one")

    with pytest.raises(DeadlineError, match="stream log"):
        log.flush(timeout=0.01)


def test_what_could_not_be_delivered_is_told_once_and_later_lines_go_on(context, port):
    log = UserStream(context, "log")
    log.write("one")
    answer(port, UnavailableError("beta is stopping"))

    with pytest.raises(UnavailableError):
        log.write("two")
    log.write("three")
    answer(port)

    assert lines(port, -2) == ["two"]
    assert lines(port) == ["three"]


def test_a_failing_job_keeps_its_own_error(context, port):
    log = UserStream(context, "log")
    log.write("one")
    answer(port, UnavailableError("beta is stopping"))

    with pytest.raises(ValueError, match="the job") as caught, log:
        raise ValueError("the job")

    assert caught.value.__notes__ == ["stream log: beta is stopping"]


def test_the_name_of_a_stream_is_a_name(context):
    with pytest.raises(InvalidNameError):
        UserStream(context, "a b")
