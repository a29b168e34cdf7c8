"""From a name, HostRef or URL to a host that has said yes."""

import pytest

from paglets.model.enums import TransferOutcome
from paglets.model.errors import (
    CodeVersionError,
    HostNotFoundError,
    HostUnreachableError,
    MoveInDoubtError,
    TransferError,
)
from paglets.model.refs import HostRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime import targets as module
from paglets.runtime.roster import Roster
from paglets.runtime.targets import Targets
from paglets.wire.bodies import CheckAnswer
from paglets.wire.failures import error_body
from tests.unit.runtime.fakes import FakeCalls, FakeHosts, unreachable
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_record, make_row

YES = CheckAnswer(
    host_id="id-beta", name="beta", url="http://inside:1", protocol=1, code_version="v1"
)


@pytest.fixture
def calls():
    return FakeCalls()


@pytest.fixture
def targets(calls):
    return Targets(Roster(ALPHA), FakeHosts(make_host(BETA), make_host(GAMMA)), calls)


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("beta", BETA),
        ("alpha", ALPHA),
        ("http://beta:8765", BETA),
        ("http://beta:8765/", BETA),
        ("http://alpha:8765", ALPHA),
        ("http://new:1", PeerAddress("", "", "http://new:1")),
        (make_host(GAMMA), GAMMA),
        (HostRef(name="old", url="http://old:1", host_id="id-beta"), BETA),
        (HostRef(name="x", url="http://x:1"), PeerAddress("", "x", "http://x:1")),
        (HostRef(name="x", url="http://x:1", host_id="gone"),
         PeerAddress("gone", "x", "http://x:1")),
    ],
)  # fmt: skip
def test_a_destination_is_a_name_a_url_or_a_host_ref(targets, destination, expected):
    assert targets.resolve(destination) == expected


def test_an_unknown_name_lists_those_that_are_known(targets):
    with pytest.raises(HostNotFoundError, match="known are alpha, beta, gamma") as caught:
        targets.resolve("betta")
    assert caught.value.host == "betta"


async def test_a_check_learns_the_host_id_and_keeps_the_url_that_was_asked(targets, calls):
    calls.answer("check", YES)
    found = await targets.check(make_row(), TransferTicket(destination="http://beta:9"))
    assert found == PeerAddress("id-beta", "beta", "http://beta:9")
    ((peer, body),) = calls.named("check")
    assert peer.host_id == ""
    assert (body.agent_id, body.birth_id, body.code_version) == ("tour", "birth", "v1")


async def test_a_move_to_oneself_asks_nobody(targets, calls):
    assert await targets.check(make_row(), TransferTicket(destination="alpha")) == ALPHA
    assert calls.made == []


async def test_a_refusal_is_a_transfer_error_with_the_code_of_what_stood_in_the_way(targets, calls):
    calls.answer("check", CodeVersionError("other code"))
    with pytest.raises(TransferError, match="nothing has changed: other code") as caught:
        await targets.check(make_row(), TransferTicket(destination="beta", retries=3))
    assert caught.value.reason == CodeVersionError.code
    assert len(calls.named("check")) == 1


async def test_an_unknown_target_is_a_transfer_error_too(targets):
    with pytest.raises(TransferError) as caught:
        await targets.check(make_row(), TransferTicket(destination="nowhere"))
    assert caught.value.reason == HostNotFoundError.code


async def test_only_silence_is_tried_again_and_only_as_often_as_the_ticket_says(targets, calls):
    ticket = TransferTicket(destination="beta", retries=2, retry_interval=0.0)
    calls.answer("check", unreachable(connected=False))
    with pytest.raises(TransferError) as caught:
        await targets.check(make_row(), ticket)
    assert caught.value.reason == HostUnreachableError.code
    assert len(calls.named("check")) == 3
    calls.answer("check", unreachable(connected=True), YES)
    assert (await targets.check(make_row(), ticket)).host_id == "id-beta"


async def test_a_passed_check_counts_once_and_for_a_minute(targets, calls, monkeypatch):
    calls.answer("check", YES)
    ticket = TransferTicket(destination="beta")
    check_id, target = await targets.check_for(make_row(), ticket)
    assert targets.passed(check_id) == target
    assert targets.passed(check_id) is None
    check_id, _ = await targets.check_for(make_row(), ticket)
    later = module.time.monotonic() + 61
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert targets.passed(check_id) is None
    assert targets.passed(None) is None
    assert targets.passed("unknown") is None


def test_a_transfers_outcome_is_an_address_a_refusal_or_doubt(targets):
    accepted = targets.outcome(make_record(outcome=TransferOutcome.ACCEPTED))
    assert (accepted.host_id, accepted.agent_id, accepted.epoch) == ("id-beta", "tour", (0, 1))
    reason = error_body(CodeVersionError("other code"))
    with pytest.raises(TransferError) as refused:
        targets.outcome(make_record(outcome=TransferOutcome.REFUSED, reason=reason))
    assert refused.value.reason == CodeVersionError.code
    with pytest.raises(TransferError):
        targets.outcome(make_record(outcome=TransferOutcome.REFUSED))
    with pytest.raises(MoveInDoubtError) as doubt:
        targets.outcome(make_record())
    assert doubt.value.transfer_id == "t1"
    assert targets.outcome(None) is None


def test_a_host_that_has_another_address_is_known_to_itself_by_the_new_one(calls):
    roster = Roster(ALPHA)
    targets = Targets(roster, FakeHosts(make_host(BETA)), calls)
    roster.me = moved = ALPHA._replace(url="http://10.0.0.9:8765")
    assert targets.resolve("alpha") == moved
    assert targets.resolve(moved.url) == moved
    assert targets.resolve(ALPHA.url).host_id == ""
