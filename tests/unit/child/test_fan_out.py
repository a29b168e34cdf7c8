"""FanOut in the test's own process: a leader with played workers, workers with a played leader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from paglets import FanOut, HandlerError, Message, PagletProxyRef, Priority, SharePhase
from paglets.agent.fanout import gathering, working
from paglets.agent.fanout.model import REPORT, Order, Report
from paglets.model.errors import NotFoundError, PagletsError, UnavailableError
from paglets.testing.harness import PagletHarness, Sent
from paglets.testing.waiting import wait_until
from tests.agents.patterns.counting import HANG, Count, CountState

LEADER = PagletProxyRef("http://alpha:8765", "leader", host_id="alpha", host_name="alpha")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(working, "GRACE_SECONDS", 0.05)


class Asking:
    """Sends a message to a harness from a thread of its own."""

    def __init__(self, paglet: PagletHarness, kind: str, **args: object) -> None:
        self.reply: object = None
        self.error: PagletsError | None = None
        self._thread = threading.Thread(target=self._send, args=(paglet, kind, args))
        self._thread.start()

    def _send(self, paglet: PagletHarness, kind: str, args: dict) -> None:
        try:
            self.reply = paglet.send(kind, **args)
        except PagletsError as error:
            self.error = error

    def result(self) -> object:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.reply


def tell(leader: PagletHarness, host: str, phase: SharePhase, **more: object) -> bool:
    """Report as the worker of a host; return whether it is to go on."""
    (round_,) = gathering._rounds.values()
    (worker,) = (share.worker for share in round_.shares() if share.host == host)
    message = Message.of(
        Report(round_.round_id, worker.agent_id, phase, **more),
        kind=REPORT, priority=Priority.UNQUEUED,
    )  # fmt: skip
    return leader.send(message)["is_wanted"]


def wait_clones(leader: PagletHarness, *hosts: str) -> None:
    wait_until(lambda: leader.clones == list(hosts), timeout=5, what=f"clones on {hosts}")


@pytest.fixture
def leader() -> Iterator[PagletHarness[Count]]:
    with PagletHarness(Count) as harness:
        yield harness


def test_a_worker_on_each_host_reports_while_the_handler_waits(leader):
    asking = Asking(leader, "count")
    wait_clones(leader, "alpha", "beta", "gamma")
    for host in ("gamma", "alpha", "beta"):
        assert tell(leader, host, SharePhase.WORKING, is_first=True)
        assert tell(leader, host, SharePhase.DONE, result={"host": f"of {host}", "pid": 1})

    assert asking.result() == {
        "results": {"alpha": "of alpha", "beta": "of beta", "gamma": "of gamma"},
        "missing": {},
    }
    assert gathering._rounds == {}
    assert leader.paglet.state.fan_out.order is None


def test_a_result_that_is_no_such_thing_is_missing_with_the_reason(leader):
    asking = Asking(leader, "count", hosts=["beta"])
    wait_clones(leader, "beta")
    tell(leader, "beta", SharePhase.DONE, result={"host": 5})

    reason, text = asking.result()["missing"]["beta"]
    assert reason == "failed"
    assert "does not fit Look" in text


def test_who_is_late_is_told_that_nobody_waits(leader):
    asking = Asking(leader, "count", hosts=["beta"], deadline=0.2)
    wait_clones(leader, "beta")
    (round_,) = gathering._rounds.values()
    (share,) = round_.shares()
    late = Report(round_.round_id, share.worker.agent_id, SharePhase.DONE)

    assert asking.result()["missing"] == {
        "beta": ["slow", "not done within 0.2 s (it was pending)"]
    }
    assert leader.send(Message.of(late, kind=REPORT)) == {"is_wanted": False}


def test_hosts_that_are_unknown_are_not_asked(leader):
    assert leader.send("count", hosts=["nobody"]) == {
        "results": {},
        "missing": {"nobody": ["unknown", "no host of this name is known"]},
    }
    assert leader.clones == []
    assert leader.send("count", hosts=[]) == {"results": {}, "missing": {}}


def test_a_leader_that_is_to_leave_does_not_wait_any_longer(leader):
    asking = Asking(leader, "count", hosts=["beta"])
    wait_clones(leader, "beta")
    leader.deactivate()

    assert asking.result()["missing"]["beta"] == [
        "stopped", "its leader stopped waiting (it was pending)",
    ]  # fmt: skip


def test_two_rounds_at_once_are_refused(leader):
    asking = Asking(leader, "count", hosts=["beta"])
    wait_clones(leader, "beta")
    (round_,) = gathering._rounds.values()
    second = leader.paglet.state.fan_out.start(leader.paglet.look)

    with pytest.raises(PagletsError, match="gathers already"):
        second.wait()
    tell(leader, "beta", SharePhase.MISSING, text="x")
    asking.result()
    assert round_.round_id not in gathering._rounds


def test_a_text_of_stop_ends_the_round(leader):
    found = leader.paglet.state.fan_out.start(
        leader.paglet.look, hosts=["beta"], stop=lambda: "enough"
    )

    assert found.wait().missing["beta"].text == "enough (it was pending)"


@pytest.mark.parametrize("what", [lambda: 1, print, "look"])
def test_only_methods_of_the_paglet_are_gathered(leader, what):
    with pytest.raises(TypeError, match=r"such as self\.look"):
        leader.paglet.state.fan_out.gather(what)


def test_a_method_that_is_async_is_refused(leader):
    with pytest.raises(TypeError, match="plain method"):
        leader.paglet.state.fan_out.gather(leader.paglet.look_later)


def test_what_is_no_report_is_refused(leader):
    with pytest.raises(PagletsError, match="round_id"):
        leader.send(Message(REPORT, {"x": 1}))


class Played:
    """Plays a worker's leader."""

    def __init__(self) -> None:
        self.reports: list[dict] = []
        self.is_wanted = True
        self.error: PagletsError | None = None

    def reply(self, sent: Sent) -> object:
        if sent.kind != REPORT:
            return None
        if self.error is not None:
            raise self.error
        self.reports.append(sent.args)
        return {"is_wanted": self.is_wanted}

    @property
    def last(self) -> dict:
        return self.reports[-1]


@pytest.fixture
def played() -> Played:
    return Played()


@contextmanager
def worker(
    played: Played, mood: str = "", *, worker_id: str = "worker", seconds: float = 20.0
) -> Iterator[PagletHarness[Count]]:
    order = Order("round", LEADER, worker_id, "look", seconds)
    state = CountState(FanOut(order), mood={"beta": mood}, notes=["none"])
    harness = PagletHarness(Count, state, host="beta", replies=played.reply)
    harness.agent_id = "worker"
    HANG.clear()
    with harness:
        yield harness
        HANG.set()


def test_a_worker_asks_works_reports_and_ends(played):
    with worker(played) as harness:
        harness.wait_departure()

        assert harness.is_disposed
        assert [(each["phase"], each["is_first"]) for each in played.reports] == [
            ("working", True), ("done", False),
        ]  # fmt: skip
        assert played.last["result"]["host"] == "beta"
        assert "run" not in [sent.args.get("text") for sent in harness.sent]


def test_a_clone_that_is_not_the_one_that_is_meant_goes_its_own_way(played):
    with worker(played, worker_id="another") as harness:
        wait_until(lambda: "run" in harness.paglet.state.notes, timeout=5, what="its own run()")

        assert played.reports == []
        assert harness.is_active


def test_a_worker_that_is_not_wanted_does_nothing(played):
    played.is_wanted = False
    with worker(played) as harness:
        harness.wait_departure()

        assert len(harness.sent) == 1


def test_a_worker_whose_leader_is_unknown_does_nothing(played):
    played.error = NotFoundError("no such paglet")
    with worker(played) as harness:
        harness.wait_departure()

        assert harness.is_disposed
        assert played.reports == []


def test_what_the_method_raises_is_reported(played):
    with worker(played, "raise") as harness:
        harness.wait_departure()

        assert (played.last["phase"], played.last["text"]) == ("missing", "ValueError: not here")
        assert "in look" in played.last["traceback_text"]


def test_a_result_that_is_too_large_is_reported_as_such(played, monkeypatch):
    monkeypatch.setattr("paglets.testing.harness.decode_message", _refuse_large(played))
    with worker(played, "large") as harness:
        harness.wait_departure()

        assert played.last["phase"] == "missing"
        assert "TooLargeError" in played.last["text"]


def _refuse_large(played: Played):
    from paglets.model.errors import TooLargeError
    from paglets.wire.messages import decode_message

    def decode(body):
        if len(body) > 100_000:
            raise TooLargeError("that is more than goes to the host at once")
        return decode_message(body)

    return decode


def test_a_worker_that_hangs_ends_when_it_is_not_wanted_any_more(played, quick):
    with worker(played, "hang") as harness:
        wait_until(lambda: len(played.reports) > 2, timeout=5, what="it asks")
        assert harness.verbs == []
        played.is_wanted = False

        wait_until(
            lambda: harness.verbs == [("dispose", "worker")], timeout=5, what="it ends itself"
        )


def test_a_worker_that_hangs_ends_when_its_time_is_over(played, quick):
    with worker(played, "hang", seconds=0.2) as harness:
        wait_until(
            lambda: harness.verbs == [("dispose", "worker")], timeout=5, what="it ends itself"
        )


def test_a_worker_goes_on_while_its_leader_cannot_be_reached_but_its_host_lives(played, quick):
    with worker(played, "hang", seconds=5.0) as harness:
        wait_until(lambda: len(played.reports) > 1, timeout=5, what="it asks")
        played.error = UnavailableError("alpha is busy")
        before = len(harness.sent)
        wait_until(lambda: len(harness.sent) > before + 3, timeout=5, what="it asks in vain")

        assert harness.verbs == []


def test_an_error_of_the_leaders_own_does_not_leave_a_round(leader, monkeypatch):
    def fail(*_args: object) -> None:
        raise ValueError("the mesh is broken")

    monkeypatch.setattr(gathering.Gathering, "_worker_for", fail)
    with pytest.raises(HandlerError, match="the mesh is broken"):
        leader.send("count")

    assert gathering._rounds == {}
