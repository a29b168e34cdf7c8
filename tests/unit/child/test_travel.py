"""Itineraries: tasks at each point, advance on arrival, unreachable stops."""

import msgspec

from paglets.model.errors import HostUnreachableError
from paglets.model.message import Message
from paglets.wire import calls
from paglets.wire.failures import encode_failure
from paglets.wire.hostcalls import CheckCall, CheckReply
from tests.unit.child.fakehost import MOVE, FakeHost

STOPS = [
    {"host": "beta", "arrival": ["collect"], "dispatch": ["pack"]},
    {"host": "gamma"},
]
FAILED = {
    "target_host_name": "beta",
    "error": msgspec.to_builtins(encode_failure(HostUnreachableError("gone"))),
    "restarted": True,
}


def plan(**fields: object) -> bytes:
    return msgspec.json.encode({"itinerary": {"stops": STOPS} | fields})


def check_all_but(*unreachable: str) -> object:
    def check(request: CheckCall) -> CheckReply | Exception:
        name = str(request.ticket.destination)
        if name in unreachable:
            return HostUnreachableError(f"{name} does not answer")
        return CheckReply(check_id=name, target_name=name)

    return check


def itinerary(snapshot: calls.Snapshot) -> dict[str, object]:
    return msgspec.msgpack.decode(snapshot.data)["itinerary"]


def go(host: FakeHost) -> calls.Delivered:
    return host.answer(host.send(Message("next")), calls.Delivered)


def test_a_plan_goes_to_its_first_stop_and_has_not_advanced_before_it_arrived(host: FakeHost):
    host.script["check"] = check_all_but()
    host.open("Traveller", initial=plan())

    delivered = go(host)
    quiesced = host.answer(host.quiesce(hook="on_dispatching", event=MOVE), calls.Quiesced)

    assert delivered.departure.ticket.destination == "beta"
    assert itinerary(quiesced.snapshot).get("position", -1) == -1


def test_on_arrival_the_plan_advances_and_the_stops_tasks_run(host: FakeHost):
    host.load("Traveller", initial=plan(cursor=0, under_way=True))

    done = host.hook("on_arrival", **MOVE)

    state = msgspec.msgpack.decode(done.snapshot.data)
    assert (state["itinerary"]["position"], state["itinerary"]["visits"]) == (0, 1)
    assert state["texts"] == ["collect"]


def test_a_retract_is_no_step_of_the_plan(host: FakeHost):
    host.load("Traveller", initial=plan(position=0))

    done = host.hook("on_arrival", **MOVE, reason="retract")

    assert itinerary(done.snapshot)["position"] == 0


def test_tasks_run_before_the_paglet_leaves_a_stop(host: FakeHost):
    host.open("Traveller", initial=plan(position=0))

    quiesced = host.answer(host.quiesce(hook="on_dispatching", event=MOVE), calls.Quiesced)

    assert msgspec.msgpack.decode(quiesced.snapshot.data)["texts"] == ["pack"]


def test_an_unreachable_stop_is_skipped(host: FakeHost):
    host.script["check"] = check_all_but("beta")
    host.open("Traveller", initial=plan())

    assert go(host).departure.ticket.destination == "gamma"


def test_a_plan_whose_last_stops_are_unreachable_is_done(host: FakeHost):
    host.script["check"] = check_all_but("beta", "gamma")
    host.open("Traveller", initial=plan())

    assert go(host).reply == b"false"


def test_an_unreachable_stop_may_end_the_plan(host: FakeHost):
    host.script["check"] = check_all_but("beta")
    host.open("Traveller", initial=plan(unreachable="stop"))

    assert go(host).reply == b"false"
    assert go(host).reply == b"false"


def test_an_unreachable_stop_may_be_tried_again(host: FakeHost, monkeypatch):
    monkeypatch.setattr("paglets.agent.itinerary.FIRST_RETRY", 0.001)
    tries: list[str] = []

    def check(request: CheckCall) -> CheckReply | Exception:
        tries.append(str(request.ticket.destination))
        return check_all_but(*(["beta"] if len(tries) < 3 else []))(request)

    host.script["check"] = check
    host.open("Traveller", initial=plan(unreachable="retry"))

    assert go(host).departure.ticket.destination == "beta"
    assert tries == ["beta"] * 3


def test_after_a_late_failure_the_plan_goes_on_by_itself(host: FakeHost):
    host.script["check"] = check_all_but()
    host.load("Traveller", initial=plan(cursor=0, under_way=True))

    done = host.hook("on_move_failed", **FAILED)

    assert done.departure.ticket.destination == "gamma"


def test_after_a_late_failure_a_retry_begins_in_the_background(host: FakeHost, monkeypatch):
    host.script["check"] = check_all_but()
    host.load("Traveller", initial=plan(cursor=0, under_way=True, unreachable="retry"))

    done = host.hook("on_move_failed", **FAILED)
    host.tell(calls.OpenGate())

    assert done.departure is None
    assert b"beta" in host.next_asked("depart").body


def test_a_circular_plan_begins_again(host: FakeHost):
    host.script["check"] = check_all_but()
    host.open("Traveller", initial=plan(position=1, circular=True))

    assert go(host).departure.ticket.destination == "beta"


def test_a_round_is_counted_on_arrival(host: FakeHost):
    fields = {"position": 1, "circular": True, "cursor": 0, "under_way": True}
    host.load("Traveller", initial=plan(**fields))

    done = host.hook("on_arrival", **MOVE)

    assert itinerary(done.snapshot)["loops"] == 1


def test_a_task_that_is_no_method_is_refused_when_the_class_is_loaded(host: FakeHost):
    stops = [{"host": "beta", "arrival": ["fly"]}]

    failure = host.load(
        "Traveller", calls.Failed, initial=msgspec.json.encode({"itinerary": {"stops": stops}})
    ).failure

    assert failure.code == "class_load"
    assert "'fly'" in failure.message


def test_a_host_is_told_of_the_hooks_at_which_a_plan_acts(host: FakeHost):
    manifest = host.load("Traveller").manifest

    assert set(manifest.hooks) == {
        "on_arrival",
        "on_dispatching",
        "on_reverting",
        "on_move_failed",
    }
