"""What a worker decides about its tasks."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.agent.contracts import ServiceOperation
from paglets.agent.tasks.desk import Desk, DeskBounds, why_stop
from paglets.agent.tasks.model import StartTask, TaskRecord, TaskReport, TaskState
from paglets.model.enums import TaskStatus
from paglets.model.errors import (
    ConflictError,
    DeadlineError,
    FullError,
    HandlerError,
    InvalidNameError,
    InvalidRequestError,
    NotFoundError,
    TaskCancelledError,
    UnavailableError,
)
from paglets.model.refs import PagletProxyRef
from paglets.wire.codec import StateCodec

ANN = PagletProxyRef("http://alpha:1", "ann")


@dataclass
class Words:
    text: str = ""


COUNT = ServiceOperation("count", Words, int)


class Office:
    """A desk with short ways to use it."""

    def __init__(self, **bounds: int) -> None:
        self.state = TaskState()
        self.desk = Desk(self.state, "w1", DeskBounds(**bounds))

    def start(self, task_id: str, **more) -> TaskReport:
        fields = {"operation": "count", "request": 1, **more}
        return self.desk.start(StartTask(task_id, **fields), ("count", "sort"))

    def next(self) -> TaskRecord:
        found = self.desk.next()
        assert found is not None
        return found

    def statuses(self) -> dict[str, str]:
        return {each.task_id: each.status.value for each in self.state.tasks.values()}


@pytest.fixture
def office() -> Office:
    return Office()


def test_tasks_are_begun_in_the_order_in_which_they_came(office: Office):
    office.start("a")
    office.start("b")

    first = office.next()
    assert (first.task_id, first.status) == ("a", TaskStatus.RUNNING)
    assert office.next() is first
    office.desk.finish(first, 5)
    assert office.next().task_id == "b"


def test_nothing_is_to_be_done_where_all_has_ended(office: Office):
    office.start("a")
    office.desk.finish(office.next(), 5)

    assert office.desk.next() is None


def test_a_task_is_taken_once(office: Office):
    office.start("a", request=1)
    office.desk.progress(office.next(), 0.5, "half")

    again = office.start("a", request=2)

    assert (again.status, again.fraction) == (TaskStatus.RUNNING, 0.5)
    assert office.next().request == 1
    with pytest.raises(ConflictError, match="performs count"):
        office.start("a", operation="sort")


def test_what_nobody_performs_is_refused_with_what_is(office: Office):
    with pytest.raises(InvalidRequestError, match="performs count, sort, not fly"):
        office.start("a", operation="fly")
    with pytest.raises(InvalidNameError):
        office.start("a b")
    with pytest.raises(InvalidRequestError, match="above 0"):
        office.start("a", deadline=0)

    assert office.statuses() == {}


def test_too_many_open_tasks_are_refused_until_one_has_ended():
    office = Office(open=2)
    office.start("a")
    office.start("b")
    with pytest.raises(FullError) as caught:
        office.start("c")
    assert caught.value.retry_after > 0

    office.desk.cancel("b")
    office.start("c")


def test_progress_is_told_once_and_never_after_the_end(office: Office):
    office.start("a")
    record = office.next()

    assert office.desk.progress(record, 0.5, "half")
    assert not office.desk.progress(record, 0.5, "half")
    office.desk.finish(record, 5)
    assert not office.desk.progress(record, 0.7, "late")
    assert (record.fraction, record.text) == (1.0, "half")


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_is_between_nothing_and_all(office: Office, fraction: float):
    office.start("a")
    with pytest.raises(ValueError, match="0 to 1"):
        office.desk.progress(office.next(), fraction, "")


def test_an_end_is_the_end(office: Office):
    office.start("a")
    record = office.next()
    office.desk.fail(record, HandlerError("the handler raised ValueError"))
    office.desk.finish(record, 5)
    office.desk.cancel("a")

    report = record.report()
    assert (report.status, report.result) == (TaskStatus.FAILED, None)
    with pytest.raises(HandlerError, match="ValueError"):
        report.result_of(COUNT)


def test_a_result_is_given_in_its_type(office: Office):
    office.start("a")
    with pytest.raises(UnavailableError, match="is queued"):
        office.start("a").result_of(COUNT)
    office.desk.finish(office.next(), 5)

    assert office.desk.get("a").report().result_of(COUNT) == 5
    with pytest.raises(InvalidRequestError, match="does not fit"):
        office.desk.get("a").report().result_of(ServiceOperation("count", Words, str))


def test_a_task_that_waits_is_cancelled_at_once(office: Office):
    office.start("a")

    report = office.desk.cancel("a")

    assert report.status is TaskStatus.CANCELLED
    with pytest.raises(TaskCancelledError, match="before it began"):
        report.result_of(COUNT)
    assert office.desk.next() is None


def test_a_task_that_runs_is_asked_to_end(office: Office):
    office.start("a")
    record = office.next()

    assert office.desk.cancel("a").status is TaskStatus.RUNNING
    assert isinstance(why_stop(record, 0.0), TaskCancelledError)
    office.desk.fail(record, TaskCancelledError("obeyed"))
    assert office.statuses() == {"a": "cancelled"}


def test_a_task_that_ends_though_it_was_cancelled_has_its_result(office: Office):
    office.start("a")
    record = office.next()
    office.desk.cancel("a")
    office.desk.finish(record, 5)

    assert office.statuses() == {"a": "done"}


def test_the_time_of_all_stays_counts(office: Office):
    office.start("a", deadline=10.0)
    record = office.next()
    record.spent = 7.0

    assert why_stop(record, 2.9) is None
    assert isinstance(why_stop(record, 3.0), DeadlineError)
    office.start("b")
    assert why_stop(office.desk.get("b"), 1e9) is None


def test_who_failed_is_told_so_by_every_look(office: Office):
    office.start("a")
    record = office.next()
    office.desk.fail(record, DeadlineError("task a took over 3 s"))

    assert isinstance(why_stop(record, 0.0), DeadlineError)


def test_only_what_has_ended_is_forgotten(office: Office):
    office.start("a")
    with pytest.raises(ConflictError, match="cancel it first"):
        office.desk.forget("a")
    office.desk.cancel("a")
    office.desk.forget("a")

    for method in (office.desk.get, office.desk.forget, office.desk.cancel):
        with pytest.raises(NotFoundError, match="no task a"):
            method("a")


def test_ends_are_kept_up_to_a_number_those_that_were_told_go_first():
    office = Office(ended=2)
    for task_id in ("a", "b", "c"):
        office.start(task_id, tell=ANN if task_id == "a" else None)
        office.desk.finish(office.next(), 1)

    assert list(office.statuses()) == ["a", "c"]


def test_an_end_is_to_be_told_until_it_was(office: Office):
    office.start("a", tell=ANN)
    office.start("b")
    assert office.desk.to_tell() == []
    for _ in range(2):
        office.desk.finish(office.next(), 1)

    assert [each.task_id for each in office.desk.to_tell()] == ["a"]
    office.desk.told("a")
    office.desk.told("gone")
    assert office.desk.to_tell() == []


def test_a_clone_has_none_of_the_tasks(office: Office):
    office.start("a")
    clone = (
        StateCodec.for_class(TaskState)
        .decode_reporting(StateCodec.for_class(TaskState).snapshot(office.state))
        .state
    )

    assert Desk(clone, "w2").next() is None
    assert Desk(clone, "w2").to_tell() == []
    assert office.next().task_id == "a"


def moved(office: Office) -> None:
    codec = StateCodec.for_class(TaskState)
    office.state = codec.decode_reporting(codec.snapshot(office.state)).state
    office.desk = Desk(office.state, "w1", DeskBounds(3, 2))


def act_on(office: Office, act: str, task_id: str) -> None:
    try:
        match act:
            case "start":
                office.start(task_id)
            case "next":
                office.desk.next()
            case "finish":
                office.desk.finish(office.desk.get(task_id), task_id)
            case "fail":
                office.desk.fail(office.desk.get(task_id), HandlerError("x"))
            case "move":
                moved(office)
            case _:
                getattr(office.desk, act)(task_id)
    except (NotFoundError, ConflictError, FullError):
        pass


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "next", "finish", "fail", "cancel", "forget", "move"]),
        st.sampled_from("abcde"),
    ),
    max_size=40,
)


@given(ACTS)
def test_whatever_happens_at_most_one_task_runs_and_ends_do_not_change(acts):
    office, ended = Office(open=3, ended=2), {}
    for act, task_id in acts:
        act_on(office, act, task_id)
        kept = office.state.tasks
        assert sum(each.status is TaskStatus.RUNNING for each in kept.values()) <= 1
        assert sum(each.status.is_final for each in kept.values()) <= 2
        still = {n: (r.status, r.result) for n, r in kept.items() if r.status.is_final}
        if (act, task_id) != ("start", task_id):  # else it may be a new one of an old name
            assert all(still.get(name, outcome) == outcome for name, outcome in ended.items())
        ended = still
