"""Arrivals of a class of which a host has one paglet at most, and what races with them."""

from dataclasses import replace

import pytest

from paglets.model.enums import TransferOutcome
from paglets.model.errors import ConflictError, StateError
from paglets.model.manifest import AutoStartManifest
from paglets.model.refs import Epoch
from paglets.wire.failures import parse_error_body
from tests.unit.runtime.arriving import offer
from tests.unit.runtime.samples import GAMMA, MANIFEST, make_header

SINGLE = replace(MANIFEST, auto_start=AutoStartManifest(alias="tour"))


def first_of_two(bench, meanwhile):
    """Have something happen while the first of two paglets has been checked and not accepted."""

    async def before_loaded():
        bench.starter.before_loaded = None
        await meanwhile()

    bench.starter.before_loaded = before_loaded


async def test_of_two_of_a_singleton_class_that_arrive_at_once_one_stays_at_home(bench, arrivals):
    bench.starter.manifest = SINGLE
    second = make_header(manifest=SINGLE, agent_id="second", transfer_id="t2", source=GAMMA)
    answers = []

    async def second_arrives():
        answers.append(await offer(arrivals, second))

    first_of_two(bench, second_arrives)
    answers.append(await offer(arrivals, make_header(manifest=SINGLE)))
    assert [answer.outcome for answer in answers] == ["refused", "accepted"]
    reason = parse_error_body(bytes(answers[0].reason), 409)
    assert (reason.code, reason.detail["agent_id"]) == ("conflict", "tour")
    assert bench.store.transfer("t2").outcome is TransferOutcome.REFUSED
    assert bench.roster.find("second") is None


async def test_while_one_of_a_singleton_class_arrives_none_is_made(bench, arrivals):
    bench.starter.manifest = SINGLE
    refused = []

    async def is_made():
        with pytest.raises(ConflictError, match="only one") as caught:
            bench.roster.require_alone(SINGLE, "made")
        refused.append(caught.value)

    first_of_two(bench, is_made)
    assert (await offer(arrivals, make_header(manifest=SINGLE))).outcome == "accepted"
    assert len(refused) == 1


async def test_while_one_of_a_singleton_class_is_made_none_arrives(bench, arrivals):
    with bench.roster.alone(SINGLE, "made"):
        assert (await offer(arrivals, make_header(manifest=SINGLE))).outcome == "refused"
    # Should that have failed, the next one may come.
    again = make_header(manifest=SINGLE, transfer_id="t2", epoch=Epoch(0, 2))
    assert (await offer(arrivals, again)).outcome == "accepted"


async def test_one_that_was_not_taken_in_after_all_leaves_its_place(bench, arrivals):
    bench.starter.error = StateError("count", "int", "str")
    assert (await offer(arrivals, make_header(manifest=SINGLE))).outcome == "refused"
    bench.starter.error = None
    second = make_header(manifest=SINGLE, agent_id="second", transfer_id="t2")
    assert (await offer(arrivals, second)).outcome == "accepted"
