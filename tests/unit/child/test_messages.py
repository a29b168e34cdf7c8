"""Messages in a Paglet Process: handled, answered, cancelled, beside each other."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from paglets.model.enums import Priority
from paglets.model.message import Message
from paglets.wire import calls
from paglets.wire.failures import decode_failure
from paglets.wire.hostcalls import CheckReply, Empty, SendCall, SendReply
from paglets.wire.messages import decode_message
from tests.unit.child.fakehost import FakeHost, wait_until


def test_what_a_handler_returns_is_the_reply(host: FakeHost):
    host.open("Counter")

    assert host.call("add", by=3) == 3
    assert host.call("add") == 4


def test_arguments_that_do_not_fit_are_told_to_the_sender_by_name(host: FakeHost):
    host.open("Counter")

    assert host.fail("add", by="x").failure.code == "bad_request"
    assert "$.by" in host.fail("add", by="x").failure.message
    assert "takes by, not to" in host.fail("add", to=1).failure.message


def test_an_exception_in_a_handler_reaches_the_sender_with_its_traceback(host: FakeHost):
    host.open("Counter")

    error = decode_failure(host.fail("boom").failure)

    assert error.code == "handler_error"
    assert error.detail["exception_type"] == "ValueError"
    assert 'raise ValueError("no luck")' in str(error.detail["traceback_text"])
    assert host.call("add") == 1


def test_a_kind_without_a_handler_is_not_handled(host: FakeHost):
    host.open("Counter")

    assert host.fail("nope").failure.code == "not_handled"


def test_a_reply_that_json_cannot_hold_is_an_error_and_not_the_paglets_end(host: FakeHost):
    host.open("Counter")

    assert host.fail("unencodable").failure.detail["exception_type"] == "TypeError"
    assert host.call("add") == 1


def test_a_large_reply_goes_by_file(host: FakeHost):
    host.open("Counter")

    delivered = host.answer(host.send(Message("big", {"size": 300_000})), calls.Delivered)

    assert delivered.reply_path is not None
    assert len(msgspec.json.decode(Path(delivered.reply_path).read_bytes())) == 300_000


def test_an_unqueued_message_is_handled_beside_a_queued_one(host: FakeHost, made):
    host.open("Counter")
    held = host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    reply = host.answer(host.send(Message("add", priority=Priority.UNQUEUED)), calls.Delivered)

    assert reply.reply == b"1"
    made.HOLD.set()
    assert host.answer(held, calls.Delivered).reply == b'"held"'


def test_queued_messages_are_handled_one_at_a_time(host: FakeHost, made):
    host.open("Counter")
    held = host.send(Message("hold"))
    second = host.send(Message("add"))
    assert made.ENTERED.wait(5)

    assert host.state().get("count", 0) == 0

    made.HOLD.set()
    host.answer(held, calls.Delivered)
    assert host.answer(second, calls.Delivered).reply == b"1"


def test_inspection_does_not_wait_for_a_handler(host: FakeHost, made):
    host.open("Counter")
    host.send(Message("hold"))
    assert made.ENTERED.wait(5)

    assert host.state().get("count", 0) == 0


def test_a_handler_is_told_that_its_caller_went_away(host: FakeHost, made):
    host.open("Counter")
    message = Message("cancelled")
    number = host.send(message)
    assert made.ENTERED.wait(5)

    host.tell(calls.Cancel(message_id=message.message_id))

    assert host.answer(number, calls.Delivered).reply == b"true"


def test_wait_state_ends_when_an_unqueued_message_changes_the_state(host: FakeHost, made):
    host.open("Counter")
    waiting = host.send(Message("await_count", {"at_least": 1}))
    assert made.ENTERED.wait(5)

    host.send(Message("locked_add", priority=Priority.UNQUEUED))

    assert host.answer(waiting, calls.Delivered).reply == b"true"


def test_wait_message_ends_when_a_message_is_queued(host: FakeHost, made):
    host.script["watch_queue"] = lambda request: Empty()
    host.open("Counter")
    waiting = host.send(Message("await_message"))
    assert made.ENTERED.wait(5)

    host.tell(calls.Queued(count=1))

    assert host.answer(waiting, calls.Delivered).reply == b"true"


def test_wait_message_ends_by_a_notification(host: FakeHost, made):
    host.script["watch_queue"] = lambda request: Empty()
    host.open("Counter")
    waiting = host.send(Message("await_message"))
    assert made.ENTERED.wait(5)

    def ring() -> bool:
        host.answer(host.send(Message("ring", priority=Priority.UNQUEUED)), calls.Delivered)
        return not host._answers[waiting].empty()

    wait_until(ring)
    assert host.answer(waiting, calls.Delivered).reply == b"true"


def test_a_call_carries_who_waits_for_it(host: FakeHost):
    host.open("Counter")
    number = host.send(Message("ask", {"agent_id": "b1"}), path=("z9",))

    frame = host.next_asked("send")

    assert frame.waiting == ("z9", "a1")
    wire = decode_message(msgspec.msgpack.decode(frame.body, type=SendCall).body)
    assert (wire.path, wire.sender.agent_id) == (("z9", "a1"), "a1")
    host.reply(frame, SendReply(reply=b'"answer"'))
    assert host.answer(number, calls.Delivered).reply == b'"answer"'


def test_the_failure_of_a_call_that_a_handler_made_is_the_handlers_failure(host: FakeHost):
    from paglets.model.errors import PagletCrashedError

    host.script["send"] = lambda request: PagletCrashedError("b1 is gone")
    host.open("Counter")

    failure = host.fail("ask", agent_id="b1").failure

    assert failure.code == "handler_error"
    assert "PagletCrashedError" in failure.detail["exception_type"]


def test_a_service_operation_is_called_although_handle_message_is_overridden(host: FakeHost):
    host.open("Splitter")

    assert host.call("split", text="a b") == {"words": ["a", "b"]}
    assert host.call("other") == "overridden"


def test_a_message_paglet_sends_its_state_with_the_reply_if_it_changed(host: FakeHost):
    host.open("Durable")

    first = host.answer(host.send(Message("add")), calls.Delivered)
    second = host.answer(host.send(Message("echo", {"value": 1})), calls.Delivered)

    assert msgspec.msgpack.decode(first.snapshot.data)["count"] == 1
    assert second.snapshot is None


def test_ids_of_what_a_message_paglet_sends_are_the_same_in_a_second_run(host: FakeHost):
    sent: list[str] = []

    def keep(request: SendCall) -> SendReply:
        sent.append(decode_message(request.body).message_id)
        return SendReply()

    host.script["send"] = keep
    host.open("Durable")
    message = Message("send_two")

    host.answer(host.send(message), calls.Delivered)
    host.answer(host.send(message), calls.Delivered)

    text = f"a1:{message.message_id}:0"
    assert sent[0] == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert sent[:2] == sent[2:]
    assert len(set(sent)) == 2


def test_a_value_that_does_not_fit_the_state_is_an_error_at_the_reply(host: FakeHost):
    host.open("Durable")

    assert host.fail("spoil").failure.code == "state_error"
    host.call("mend")
    assert host.call("add") == 1


def test_checkpoint_in_a_handler_of_a_message_paglet_is_refused(host: FakeHost):
    host.open("Durable")

    failure = host.fail("checkpoint").failure

    assert "committed together with its reply" in failure.message


def test_checkpoint_sends_the_state_and_waits_for_the_commit(host: FakeHost):
    host.open("Counter")
    number = host.send(Message("checkpoint"))
    frame = host.next_asked("checkpoint")
    host.reply(frame, Empty())

    host.answer(number, calls.Delivered)


def test_sys_exit_in_a_handler_is_the_end_of_the_process(host: FakeHost):
    host.open("Counter")
    host.send(Message("quit"))

    assert host.exit_code() == 1
    assert isinstance(host.crashes[0], SystemExit)


def test_a_message_after_the_gate_closed_is_refused(host: FakeHost):
    host.load("Counter")

    assert host.answer(host.send(Message("add")), calls.Failed).failure.code == "unavailable"


@pytest.mark.parametrize("kind", ["go", "sleep", "end"])
def test_a_handler_that_departs_is_unwound_and_swallowing_that_changes_nothing(
    host: FakeHost, made, kind: str
):
    host.script["check"] = lambda request: CheckReply(check_id="c1", target_name="beta")
    host.open("Counter")
    args = {"to": "beta"} if kind == "go" else {}

    delivered = host.answer(host.send(Message(kind, args)), calls.Delivered)

    verbs = {"go": "dispatch", "sleep": "deactivate", "end": "dispose"}
    assert delivered.departure.verb == verbs[kind]
    if kind == "go":
        assert delivered.departure.check_id == "c1"
        assert made.SEEN == ["swallowed", "finally"]


def test_async_handlers_await_replies_and_may_not_block(host: FakeHost):
    host.script["send"] = lambda request: SendReply(reply=b"7")
    host.script["check"] = lambda request: CheckReply(check_id="c1", target_name="beta")
    host.open("Asynchronous")

    assert host.call("ask") == 7
    assert host.call("add") == 1
    assert "blocks" in host.fail("block").failure.message
    assert host.fail("nope").failure.code == "not_handled"
    delivered = host.answer(host.send(Message("go")), calls.Delivered)
    assert delivered.departure.verb == "dispatch"


def test_an_unqueued_handler_of_a_message_paglet_may_not_change_state(host: FakeHost):
    host.open("Durable")
    host.call("add")

    number = host.send(Message("add", priority=Priority.UNQUEUED))

    assert "was undone" in host.answer(number, calls.Failed).failure.message
    assert host.call("add") == 2
