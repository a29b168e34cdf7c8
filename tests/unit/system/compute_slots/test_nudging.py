"""What comes of nudging jobs: who is gone is collected, whatever else fails is left alone."""

import threading

import msgspec
import pytest

from paglets.agent.proxies import Proxies
from paglets.model.errors import HostUnreachableError, PagletNotFoundError
from paglets.system.compute_slots.contract import NUDGE, Nudge
from paglets.system.compute_slots.nudging import Nudger
from paglets.wire.hostcalls import SendReply
from tests.unit.agent.fakeport import FakePort
from tests.unit.system.compute_slots.support import ref

GONE = PagletNotFoundError("no paglet")
AWAY = HostUnreachableError("beta is away")
PATIENCE = 10.0


class Played:
    """A nudger, the port it asks through, and how often it said that somebody is gone."""

    def __init__(self):
        self.port = FakePort()
        self.news = threading.Semaphore(0)
        self.nudger = Nudger(Proxies(self.port, "http://alpha:1"), self.news.release)

    def answer(self, error):
        """Answer the last nudge."""
        if error is None:
            self.port.futures[-1].set_result(SendReply())
        else:
            self.port.futures[-1].set_exception(error)

    def found(self):
        """Wait until somebody is found gone; return who."""
        assert self.news.acquire(timeout=PATIENCE)
        return self.nudger.take_gone()


@pytest.fixture
def played():
    return Played()


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_job_is_told_whether_it_is_to_look_or_to_end(played, is_cancelled):
    played.nudger.tell(ref("a"), is_cancelled=is_cancelled)
    message = played.port.sent()
    told = msgspec.json.decode(message.args, type=Nudge)
    assert (message.kind, told.is_cancelled) == (NUDGE.name, is_cancelled)


def test_telling_waits_for_nobody(played):
    for job_id in ("a", "b"):
        played.nudger.tell(ref(job_id), is_cancelled=False)
    assert [future.done() for future in played.port.futures] == [False, False]
    assert played.port.blocked == []


def test_a_job_that_cannot_be_told_because_it_is_nowhere_is_gone(played):
    played.nudger.tell(ref("a"), is_cancelled=False)
    played.answer(GONE)
    assert played.found() == ["a"]


@pytest.mark.parametrize("error", [None, AWAY])
def test_a_job_that_heard_or_whose_host_is_away_is_not_gone(played, error):
    played.nudger.tell(ref("a"), is_cancelled=False)
    played.answer(error)
    assert not played.news.acquire(blocking=False)
    assert played.nudger.take_gone() == []


def test_each_that_is_gone_is_given_out_once_in_order(played):
    for job_id in ("b", "a", "b"):
        played.nudger.tell(ref(job_id), is_cancelled=False)
        played.answer(GONE)
    assert played.nudger.take_gone() == ["a", "b"]
    assert played.nudger.take_gone() == []


def test_of_those_looked_for_only_the_ones_that_are_nowhere_are_gone(played):
    answers = {"away": AWAY, "gone": GONE}

    def info(call):
        raise answers[call.ref.agent_id]

    played.port.script["info"] = info
    played.nudger.look_for([ref("away"), ref("gone")])
    assert played.found() == ["gone"]


def test_nobody_to_look_for_is_no_work(played):
    played.nudger.look_for([])
    assert played.port.asked == []


def test_while_a_look_hangs_no_other_begins_and_telling_goes_on(played):
    hangs, may_go_on = threading.Event(), threading.Event()

    def info(_call):
        hangs.set()
        assert may_go_on.wait(PATIENCE)
        raise GONE

    played.port.script["info"] = info
    played.nudger.look_for([ref("a")])
    assert hangs.wait(PATIENCE)
    played.nudger.look_for([ref("b")])
    played.nudger.tell(ref("c"), is_cancelled=False)
    played.answer(GONE)
    assert played.found() == ["c"]
    may_go_on.set()
    assert played.found() == ["a"]
    assert [request.ref.agent_id for name, request, _ in played.port.asked if name == "info"] == [
        "a"
    ]
