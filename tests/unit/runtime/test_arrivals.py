"""The target's side: a record decides first, a refusal is durable before it is said."""

import asyncio
from dataclasses import replace

import pytest

from paglets.config.settings import Limits
from paglets.failpoints import arm, disarm
from paglets.model.enums import ArrivalMode, EnvelopeKind, Hook, PagletStatus, TransferOutcome
from paglets.model.errors import (
    InvalidRequestError,
    MisdirectedError,
    StateError,
    StorageFullError,
    TooLargeError,
    UnavailableError,
)
from paglets.model.refs import Epoch
from paglets.model.transfer import TransferTicket
from paglets.runtime.outcomes import encode_outcome
from paglets.runtime.storedqueue import stored_entry
from paglets.store.rows import QueuedMessage, TransferRow
from paglets.store.writes import PutMessages
from paglets.testing.waiting import turn
from paglets.wire.bodies import ReplyBody
from paglets.wire.envelope import EnvelopeMessage, EnvelopeOutcome
from paglets.wire.failures import parse_error_body
from tests.unit.runtime.arriving import chunks, offer
from tests.unit.runtime.samples import (
    BETA,
    GAMMA,
    MANIFEST,
    make_body,
    make_header,
    make_moving,
    make_record,
    make_row,
)

TICKET = TransferTicket(destination="alpha")


HOOKED = replace(MANIFEST, hooks=("on_arrival", "on_clone"))


async def test_accepted_is_durable_with_its_owed_hook_before_it_is_said(bench, arrivals):
    answer = await offer(arrivals, make_header(manifest=HOOKED))
    assert (answer.outcome, answer.host_id, answer.transfer_id) == ("accepted", "id-alpha", "t1")
    row = bench.row()
    assert (row.status, row.epoch, row.due.hook) == (
        PagletStatus.ACTIVE,
        Epoch(0, 1),
        "on_arrival",
    )
    assert bench.store.transfer("t1").outcome is TransferOutcome.ACCEPTED
    await bench.roster.find("tour").ready(timeout=5)
    assert bench.roster.find("tour").gate_open


async def test_a_hook_that_the_class_does_not_have_is_not_owed(bench, arrivals):
    await offer(arrivals)
    assert bench.row().due is None
    assert bench.store.commits == 1
    await bench.roster.find("tour").ready(timeout=5)
    assert bench.roster.find("tour").gate_open
    assert bench.store.commits == 1


async def test_who_arrives_asleep_is_owed_its_arrival_in_place_of_an_activation(bench, arrivals):
    await offer(arrivals, make_header(arrival_mode=ArrivalMode.INACTIVE))
    assert bench.row().due.hook == "on_arrival"


async def test_a_repeat_gets_the_recorded_outcome_whatever_the_checks_would_say(bench, arrivals):
    await offer(arrivals)
    bench.admission.refuses = "draining"
    assert (await offer(arrivals)).outcome == "accepted"
    assert len(bench.starter.births) == 1
    refused = await offer(arrivals, make_header(transfer_id="t2", agent_id="other"))
    assert refused.outcome == "refused"
    bench.admission.refuses = None
    again = await offer(arrivals, make_header(transfer_id="t2", agent_id="other"))
    assert again.outcome == "refused"


async def test_a_refusal_is_durable_and_tells_why(bench, arrivals):
    header = make_header(manifest=make_row().manifest, ticket=TICKET, transfer_id="t9")
    bench.hosts.me = type(bench.hosts.me)(name="alpha", url="http://alpha:8765", code_version="v2")
    answer = await offer(arrivals, header)
    assert answer.outcome == "refused"
    assert parse_error_body(bytes(answer.reason), 409).code == "code_version"
    assert bench.store.transfer("t9").outcome is TransferOutcome.REFUSED
    assert bench.row() is None
    assert bench.starter.births == []


async def test_an_envelope_for_another_host_settles_nothing(bench, arrivals):
    with pytest.raises(MisdirectedError) as caught:
        await offer(arrivals, make_header(target=GAMMA))
    assert caught.value.host_id == "id-alpha"
    assert bench.store.transfer("t1") is None


async def test_an_envelope_under_another_transfers_url_is_no_request(arrivals):
    with pytest.raises(InvalidRequestError):
        await arrivals.offer("t2", make_header(), b"", chunks(b"state"))


@pytest.mark.parametrize("pieces", [(b"stat",), (b"state", b"x"), (b"State",)])
async def test_a_body_that_is_cut_or_changed_leaves_the_transfer_undecided(bench, arrivals, pieces):
    with pytest.raises(InvalidRequestError):
        await offer(arrivals, None, *pieces)
    assert bench.store.transfer("t1") is None
    assert (await offer(arrivals)).outcome == "accepted"


async def test_a_full_disk_leaves_the_transfer_undecided_and_ends_the_child(bench, arrivals):
    arm("store.commit=enospc*1")
    try:
        with pytest.raises(StorageFullError):
            await offer(arrivals)
    finally:
        disarm()
    assert bench.store.transfer("t1") is None
    assert bench.roster.find("tour") is None
    assert bench.starter.links[0].is_over
    assert (await offer(arrivals)).outcome == "accepted"


async def test_a_state_that_does_not_decode_is_refused_for_good(bench, arrivals):
    bench.starter.error = StateError("count", "int", "str")
    answer = await offer(arrivals)
    assert answer.outcome == "refused"
    assert parse_error_body(bytes(answer.reason), 409).code == "state_error"


async def test_a_host_without_room_for_a_process_decides_nothing(bench, arrivals):
    bench.starter.error = UnavailableError("full", retry_after=1.0)
    with pytest.raises(UnavailableError):
        await offer(arrivals)
    assert bench.store.transfer("t1") is None


async def test_files_over_the_limit_are_refused(bench, arrivals):
    arrivals._limits = Limits(files_bytes=0)
    from paglets.wire.envelope import EnvelopeFile

    header = make_header(files=(EnvelopeFile(name="a", size=1, sha256="x"),))
    answer = await offer(arrivals, header)
    assert parse_error_body(bytes(answer.reason), 409).code == TooLargeError.code


async def test_an_inactive_arrival_is_checked_but_not_started(bench, arrivals):
    header = make_header(arrival_mode=ArrivalMode.INACTIVE)
    assert (await offer(arrivals, header)).outcome == "accepted"
    assert bench.row().status is PagletStatus.INACTIVE
    assert bench.row().policy is not None
    assert bench.starter.births[0].check_only
    assert bench.starter.links[0].is_over
    assert bench.roster.find("tour").link is None


async def test_a_clone_arrives_with_its_own_hook(bench, arrivals):
    from tests.unit.runtime.samples import make_ref

    header = make_header(
        kind=EnvelopeKind.CLONE, clone_of=make_ref(), agent_id="clone", manifest=HOOKED
    )
    assert (await offer(arrivals, header)).outcome == "accepted"
    assert bench.row("clone").due.hook == "on_clone"


async def test_an_unknown_transfer_is_refused_durably_before_that_is_said(bench, arrivals):
    answer = await arrivals.outcome("t1")
    assert (answer.outcome, answer.host_id) == ("refused", "id-alpha")
    assert bench.store.transfer("t1").outcome is TransferOutcome.REFUSED
    assert (await offer(arrivals)).outcome == "refused"
    assert bench.row() is None


async def test_a_question_waits_while_the_offer_is_being_received(bench, arrivals):
    go = asyncio.Event()

    async def slow():
        yield b"st"
        await go.wait()
        yield b"ate"

    header = make_header()
    arriving = asyncio.ensure_future(arrivals.offer("t1", header, b"", slow()))
    await turn()
    asked = asyncio.ensure_future(arrivals.outcome("t1"))
    repeated = asyncio.ensure_future(offer(arrivals))
    for _ in range(5):
        await turn()
    assert not asked.done()
    assert not repeated.done()
    go.set()
    outcomes = [(await task).outcome for task in (arriving, asked, repeated)]
    assert outcomes == ["accepted"] * 3
    assert len(bench.starter.births) == 1


async def test_a_race_that_is_lost_gives_the_recorded_outcome(bench, arrivals):
    """A question is committed between the checks of an offer and its commit."""

    async def refused_meanwhile():
        await bench.store.commit(
            *(arrivals_refusal("t1"),),
        )

    bench.starter.before_loaded = refused_meanwhile
    answer = await offer(arrivals)
    assert answer.outcome == "refused"
    assert bench.row() is None
    assert bench.starter.links[0].is_over


def arrivals_refusal(transfer_id):
    from paglets.runtime.lifecycle import decide_query

    return decide_query(None, transfer_id, BETA, now=1.0).writes[0]


async def test_a_record_written_under_the_decision_is_found_and_answers(bench, arrivals):
    commit, calls = bench.store.commit, []

    async def raced(*writes, **options):
        calls.append(writes)
        if len(calls) == 1:
            await commit(arrivals_refusal("t1"))
        await commit(*writes, **options)

    bench.store.commit = raced
    answer = await offer(arrivals)
    assert answer.outcome == "refused"
    assert bench.roster.find("tour") is None


async def test_a_stale_epoch_and_another_birth_are_refused(bench, arrivals):
    await bench.put(make_row(epoch=Epoch(0, 5)))
    stale = await offer(arrivals, make_header(epoch=Epoch(0, 5)))
    assert parse_error_body(bytes(stale.reason), 409).reason == "stale"
    taken = await offer(
        arrivals, make_header(transfer_id="t2", birth_id="other", epoch=Epoch(0, 9))
    )
    assert parse_error_body(bytes(taken.reason), 409).reason == "taken"
    assert bench.row().epoch == Epoch(0, 5)


async def come_back(bench, arrivals, **fields):
    header = make_header(transfer_id="t2", epoch=Epoch(0, 2), **fields)
    answer = await offer(arrivals, header)
    assert answer.outcome == "accepted"
    paglet = bench.roster.find("tour")
    await paglet.ready(timeout=5)
    return paglet


async def test_a_return_while_moving_proves_the_earlier_move_and_settles_it(bench, arrivals):
    bench.calls.answer("settled", None)
    moving = await bench.put(make_moving(), make_record(not_after=2e9))
    late = asyncio.get_running_loop().create_future()
    bench.calls.answer("offer", late)
    errand = bench.courier.carry(moving, make_record(not_after=2e9), is_fresh=True)
    await bench.calls.until("offer")
    back = await come_back(bench, arrivals)
    assert back is moving
    assert bench.row().status is PagletStatus.ACTIVE
    assert bench.store.transfer("t1").outcome is TransferOutcome.ACCEPTED
    ref = await bench.courier.wait(errand, timeout=1.0)
    assert (ref.host_name, ref.epoch) == ("alpha", Epoch(0, 2))
    late.set_result(None)


async def test_an_older_copy_is_stopped_before_the_one_that_arrives_is_started(bench, arrivals):
    paglet = await bench.put(make_row())
    await bench.activity.restart(paglet, Hook.ON_ACTIVATION, b"{}")
    old = paglet.link
    assert not old.is_over
    back = await come_back(bench, arrivals)
    assert old.is_over
    assert back.link is not old
    assert not back.link.is_over


async def test_messages_that_travelled_are_not_handled_again_after_a_return(bench, arrivals):
    moving = await bench.put(make_moving(queue=("done", "queued", "lost")), make_record())
    entries = {}
    for message_id in ("done", "queued", "lost", "later"):
        entry = stored_entry(queued(message_id))
        entry.stored = False
        moving.mailbox.put(entry, agent_id="tour")
        entries[message_id] = entry
    moving.travelled = frozenset({"done", "queued", "lost"})
    back = await come_back(
        bench,
        arrivals,
        queue=(EnvelopeMessage(message_id="queued", priority=5, body=make_body("queued")),),
        outcomes=(
            EnvelopeOutcome(message_id="done", outcome=encode_outcome(ReplyBody()), ttl_ms=60_000),
        ),
    )
    assert [entry.message_id for entry in back.mailbox] == ["queued", "later"]
    assert isinstance(entries["done"].work.outcome.result(), ReplyBody)
    assert entries["lost"].work.outcome.exception() is not None
    assert back.travelled == frozenset()


async def test_what_was_stored_here_since_it_left_waits_for_its_return(bench, arrivals):
    await bench.put(make_moving(queue=("old",)), make_record())
    await bench.store.commit(PutMessages((queued("old"), queued("new"))))
    back = await come_back(bench, arrivals)
    assert [entry.message_id for entry in back.mailbox] == ["new"]
    assert [m.message_id for m in await bench.store.messages("tour")] == ["new"]


def queued(message_id):
    return QueuedMessage(
        agent_id="tour", message_id=message_id, priority=5, body=make_body(message_id)
    )


async def test_settled_lets_the_record_be_forgotten_a_day_later(bench, arrivals):
    await offer(arrivals)
    await arrivals.settled("t1")
    assert isinstance(bench.store.transfer("t1"), TransferRow)
    assert bench.store.transfer("t1").settled_at is not None
    first = bench.store.transfer("t1").settled_at
    await arrivals.settled("t1")
    assert bench.store.transfer("t1").settled_at == first
    await arrivals.settled("unknown")
