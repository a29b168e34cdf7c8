"""The roster: who is here, and for which references this host answers."""

import pytest

from paglets.model.enums import PagletStatus
from paglets.runtime.roster import Roster
from tests.unit.runtime.samples import ALPHA, BETA, make_ref, make_row


@pytest.fixture
def roster():
    roster = Roster(ALPHA)
    roster.put(make_row())
    return roster


@pytest.mark.parametrize(
    ("ref", "is_here"),
    [
        (make_ref(ALPHA), True),
        (make_ref(ALPHA, agent_id="unknown"), True),
        (make_ref(BETA), True),
        (make_ref(BETA, birth_id=""), True),
        (make_ref(BETA, birth_id="another"), False),
        (make_ref(BETA, agent_id="unknown"), False),
    ],
)
def test_a_host_answers_for_what_is_addressed_to_it_and_for_what_it_has(roster, ref, is_here):
    assert roster.is_here(ref) is is_here


def test_each_row_and_each_end_is_told(roster):
    told = []
    roster.changed = lambda paglet: told.append((paglet.row.status, paglet.is_gone))
    paglet = roster.put(make_row(PagletStatus.INACTIVE))
    paglet.become(make_row(PagletStatus.CRASHED))
    roster.drop("tour")
    roster.drop("tour")
    assert told == [
        (PagletStatus.INACTIVE, False),
        (PagletStatus.CRASHED, False),
        (PagletStatus.CRASHED, True),
    ]
