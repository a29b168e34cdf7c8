"""How a paglet leaves its process: the gate, handlers and `run()` at work, files, large states."""

import hashlib
from pathlib import Path

import msgspec

from paglets.model.enums import FileMode
from paglets.model.errors import BusyError
from paglets.model.message import Message
from paglets.wire import calls
from paglets.wire.hostcalls import CheckReply
from tests.unit.child.fakehost import FakeHost, wait_until


def test_a_running_handler_is_awaited(host: FakeHost, made):
    host.open("Counter")
    held = host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    leaving = host.quiesce()
    made.HOLD.set()

    assert host.answer(held, calls.Delivered).reply == b'"held"'
    assert host.answer(leaving, calls.Quiesced).snapshot is not None


def test_a_handler_that_does_not_end_keeps_the_paglet_here(host: FakeHost, made):
    host.open("Counter")
    held = host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    failed = host.answer(host.quiesce(timeout_ms=20), calls.Failed)

    assert failed.failure.code == "quiesce_timeout"
    made.HOLD.set()
    host.answer(held, calls.Delivered)
    host.tell(calls.OpenGate())
    assert host.call("add") == 1


def test_at_shutdown_the_state_is_taken_although_a_handler_runs(host: FakeHost, made):
    host.open("Counter")
    host.call("add")
    host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    quiesced = host.answer(host.quiesce(timeout_ms=20, anyway=True), calls.Quiesced)

    assert msgspec.msgpack.decode(quiesced.snapshot.data)["count"] == 1
    assert host.exit_code() == 0


def test_at_shutdown_a_message_paglet_keeps_its_last_commit(host: FakeHost, made):
    host.open("Durable")
    host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    quiesced = host.answer(host.quiesce(timeout_ms=20, anyway=True), calls.Quiesced)

    assert quiesced.snapshot is None


def test_waits_of_a_handler_end_when_the_gate_closes(host: FakeHost, made):
    host.open("Counter")
    dozing = host.send(Message("doze"))
    assert made.ENTERED.wait(5)

    leaving = host.quiesce()

    assert host.answer(dozing, calls.Delivered).reply == b"true"
    host.answer(leaving, calls.Quiesced)


def test_a_state_that_cannot_be_encoded_keeps_the_paglet_here(host: FakeHost):
    host.open("Counter")
    host.call("spoil")

    failed = host.answer(host.quiesce(), calls.Failed)

    assert failed.failure.code == "state_error"
    host.tell(calls.OpenGate())
    host.call("mend")
    assert host.call("add") == 1


def test_a_large_state_goes_by_file_and_its_host_makes_the_digest(host: FakeHost):
    host.open("Counter", initial=msgspec.json.encode({"texts": ["x" * 300_000]}))

    snapshot = host.answer(host.quiesce(), calls.Quiesced).snapshot

    data = Path(snapshot.path).read_bytes()
    assert snapshot.data is None
    assert (snapshot.size, snapshot.sha256) == (len(data), "")


def test_a_state_over_the_limit_is_refused(host: FakeHost):
    host.open("Counter", state_limit_bytes=10)
    host.call("add", by=1_000_000_000)

    assert host.answer(host.quiesce(), calls.Failed).failure.code == "too_large"


def test_registered_files_are_copied_with_digest_and_original(host: FakeHost):
    work = host.folder / "work"
    work.mkdir()
    (work / "hits.txt").write_text("found")
    host.open("Filer")
    host.call("register", name="hits.txt", mode=FileMode.MOVE.value)

    (offer,) = host.answer(host.quiesce(), calls.Quiesced).files

    assert offer.name == "hits.txt"
    assert offer.original == str(work / "hits.txt")
    assert Path(offer.path).read_text() == "found"
    assert offer.sha256 == hashlib.sha256(b"found").hexdigest()


def test_a_registered_file_that_is_gone_keeps_the_paglet_here(host: FakeHost):
    work = host.folder / "work"
    work.mkdir()
    (work / "hits.txt").write_text("found")
    host.open("Filer")
    host.call("register", name="hits.txt", mode=FileMode.COPY.value)
    (work / "hits.txt").unlink()

    assert "hits.txt" in host.answer(host.quiesce(), calls.Failed).failure.message


def test_run_starts_when_the_gate_opens_and_its_sleep_ends_when_it_closes(host: FakeHost, made):
    host.open("Runs")
    wait_until(lambda: made.SEEN == ["run"])

    host.answer(host.quiesce(), calls.Quiesced)

    wait_until(lambda: made.SEEN == ["run", "stopped"])


def test_calls_of_run_to_the_host_unwind_when_the_gate_closes(host: FakeHost, made):
    host.open("RunAsks")
    host.next_asked("hosts")

    host.answer(host.quiesce(), calls.Quiesced)

    wait_until(lambda: made.SEEN == ["unwound"])
    assert host.crashes == []


def test_run_starts_anew_after_a_life_cycle_call_failed(host: FakeHost, made):
    host.open("Runs")
    host.send(Message("x"))
    wait_until(lambda: made.SEEN == ["run"])
    host.answer(host.quiesce(hook="on_nothing"), calls.Failed)

    host.tell(calls.OpenGate())

    wait_until(lambda: made.SEEN == ["run", "stopped", "run"])


def test_a_life_cycle_call_waits_run_grace_for_run_to_end(host: FakeHost, made):
    host.open("Stubborn")
    assert made.ENTERED.wait(5)
    leaving = host.quiesce()
    made.HOLD.set()

    host.answer(leaving, calls.Quiesced)

    assert made.SEEN == ["ended"]


def test_an_exception_in_run_is_a_crash(host: FakeHost):
    host.open("RunFails")

    assert host.exit_code() == 1
    assert isinstance(host.crashes[0], ValueError)


def test_a_dispatch_in_run_asks_the_host_to_depart(host: FakeHost):
    host.script["check"] = lambda request: CheckReply(check_id="c1", target_name="beta")
    host.open("RunGoes")

    frame = host.next_asked("depart")

    assert b"c1" in frame.body
    host.answer(host.quiesce(), calls.Quiesced)
    assert host.exit_code() == 0


def test_run_starts_anew_when_its_departure_is_refused(host: FakeHost, made, monkeypatch):
    monkeypatch.setattr("paglets.child.activity.FIRST_PAUSE", 0.01)
    host.script["check"] = lambda request: CheckReply(check_id="c1", target_name="beta")
    host.open("RunGoes")

    host.reply(host.next_asked("depart"), BusyError("another verb runs"))

    host.next_asked("depart")
    assert made.SEEN == ["run", "run"]


def test_exit_ends_the_process_at_once(host: FakeHost):
    host.open("Counter")

    host.tell(calls.Exit())

    assert host.exit_code() == 0
