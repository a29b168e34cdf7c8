"""An Itinerary takes its paglet from host to host, runs tasks and deals with lost hosts."""

from collections.abc import Callable

import pytest

from paglets.agent.itinerary import Itinerary, Stop
from paglets.agent.proxy import PagletProxy
from paglets.model.enums import UnreachableStop
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.testing.localhost import free_ports
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.touring import TourState
from tests.process.lifecycle.stage import PATIENCE

Start = Callable[..., PagletProxy]


@pytest.fixture
def start(make: Callable[..., PagletProxy]) -> Start:
    """Create a paglet that follows a plan of these stops from alpha."""

    def begin(*stops: Stop, rest: int = 1_000_000, **plan: object) -> PagletProxy:
        itinerary = Itinerary(stops=list(stops), **plan)  # type: ignore[arg-type]  # fields by name
        return make("touring:Tourist", TourState(itinerary=itinerary, rest=rest))

    return begin


def notes_of(tourist: PagletProxy) -> list[str]:
    return list(tourist.send(Message("notes"), timeout=PATIENCE))


def wait_notes(tourist: PagletProxy, last: str) -> list[str]:
    wait_until(
        lambda: last in notes_of(tourist),
        timeout=PATIENCE,
        what=f"{last} is noted",
        story=lambda: str(notes_of(tourist)),
    )
    return notes_of(tourist)


def plan_of(tourist: PagletProxy) -> dict[str, object]:
    return dict(tourist.state()["itinerary"])


def nowhere() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def test_tasks_run_at_arrival_and_before_leaving(start: Start) -> None:
    tourist = start(
        Stop("beta", arrival=["look", "sing"], dispatch=["pack"]), Stop("gamma", arrival=["look"])
    )
    assert wait_notes(tourist, "done@gamma") == [
        "on_arrival@beta",
        "look@beta",
        "sing@beta",
        "pack@beta",
        "on_arrival@gamma",
        "look@gamma",
        "done@gamma",
    ]
    plan = plan_of(tourist)
    assert (plan["position"], plan["visits"]) == (1, 2)


def test_reverting_tasks_run_before_a_retract_which_is_no_step(start: Start) -> None:
    tourist = start(Stop("beta", reverting=["hurry"]), Stop("gamma"), rest=1)
    wait_notes(tourist, "on_arrival@beta")
    tourist.retract("alpha")
    assert notes_of(tourist) == [
        "on_arrival@beta",
        "on_reverting@beta",
        "hurry@beta",
        "on_arrival@alpha",
    ]
    assert plan_of(tourist)["position"] == 0


def test_skip_leaves_out_a_stop_that_cannot_be_reached(start: Start) -> None:
    tourist = start(Stop("atlantis"), Stop("beta"), Stop(nowhere()), Stop("gamma"))
    notes = wait_notes(tourist, "done@gamma")
    assert [note for note in notes if not note.startswith("failed")] == [
        "on_arrival@beta",
        "on_arrival@gamma",
        "done@gamma",
    ]
    assert len(notes) == 5
    assert plan_of(tourist)["visits"] == 2


def test_stop_ends_the_plan_at_a_stop_that_cannot_be_reached(start: Start) -> None:
    tourist = start(Stop("beta"), Stop("atlantis"), Stop("gamma"), unreachable=UnreachableStop.STOP)
    assert wait_notes(tourist, "done@beta") == [
        "on_arrival@beta",
        "failed atlantis@beta",
        "done@beta",
    ]
    assert plan_of(tourist)["ended"] is True


@pytest.mark.slow
def test_retry_tries_a_stop_again_until_the_plan_is_changed(start: Start) -> None:
    tourist = start(Stop("atlantis"), unreachable=UnreachableStop.RETRY)
    wait_until(
        lambda: notes_of(tourist).count("failed atlantis@alpha") >= 2,
        timeout=PATIENCE,
        what="it has tried twice",
    )
    tourist.send(Message("plan", {"stops": ["beta"]}))
    wait_notes(tourist, "on_arrival@beta")


def test_a_circular_plan_begins_again_and_counts_its_loops(start: Start) -> None:
    tourist = start(Stop("beta"), Stop("alpha"), circular=True, rest=5)
    wait_until(lambda: plan_of(tourist)["visits"] == 5, timeout=PATIENCE, what="it made five moves")
    assert [note.partition("@")[2] for note in notes_of(tourist)] == [
        "beta",
        "alpha",
        "beta",
        "alpha",
        "beta",
    ]
    assert plan_of(tourist)["loops"] == 2


def test_a_plan_may_be_edited_on_the_way(start: Start) -> None:
    tourist = start(Stop("beta"), rest=1)
    wait_notes(tourist, "on_arrival@beta")
    tourist.send(Message("insert", {"host": "gamma"}))
    moved = tourist.send(Message("next"))
    assert isinstance(moved, PagletProxy)
    assert notes_of(tourist)[-2:] == ["on_arrival@gamma", "look@gamma"]
    assert tourist.send(Message("next")) is False


def test_a_task_that_is_no_method_is_refused_at_creation(start: Start) -> None:
    with pytest.raises(PagletsError, match="fly"):
        start(Stop("beta", arrival=["fly"]))


def test_a_plan_goes_on_after_a_sleep(start: Start) -> None:
    tourist = start(Stop("beta"), Stop("gamma"), rest=1)
    wait_notes(tourist, "on_arrival@beta")
    tourist.send(Message("sleep"))
    tourist.send(Message("next"))
    assert notes_of(tourist) == ["on_arrival@beta", "on_arrival@gamma"]
