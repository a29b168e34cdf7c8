"""A paglet's own wish to leave, carried out after its handler has ended."""

import asyncio

import pytest

from paglets.model.enums import PagletStatus, Verb
from paglets.model.errors import (
    BusyError,
    InvalidRequestError,
    LifecycleError,
    MoveInDoubtError,
    TransferError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.transfer import TransferTicket
from paglets.runtime.leaving import Leaving
from paglets.testing.waiting import turn
from paglets.wire.calls import Departure
from paglets.wire.policies import encode_policy
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import make_ref, make_row

TICKET = TransferTicket(destination="beta")
DISPATCH = Departure(verb="dispatch", ticket=TICKET, check_id="c1")


class Verbs:
    """Stands for the parts that carry a verb out: keeps what was asked, fails if told to."""

    def __init__(self):
        self.asked = []
        self.error = None

    async def depart(self, paglet, ticket, check_id):
        self._do("depart", paglet.agent_id, ticket, check_id)
        return make_ref()

    async def sleep_itself(self, paglet, policy):
        self._do("sleep", paglet.agent_id, policy)

    async def dispose_itself(self, paglet):
        self._do("dispose", paglet.agent_id)

    def _do(self, *asked):
        self.asked.append(asked)
        if self.error is not None:
            raise self.error


@pytest.fixture
def verbs():
    return Verbs()


@pytest.fixture
def leaving(bench, verbs):
    return Leaving(bench.common, departures=verbs, inactivity=verbs, creation=verbs)


@pytest.fixture
async def paglet(bench):
    """A paglet that runs, with its gate closed: its handler has asked to leave."""
    paglet = await bench.put(make_row())
    await bench.activity.revive(paglet, "recovered")
    paglet.gate_open = False
    return paglet


async def test_who_moves_is_told_where_it_is_in_the_reply_to_its_message(leaving, verbs, paglet):
    reply = await leaving.leave(paglet, DISPATCH)
    assert verbs.asked == [("depart", "tour", TICKET, "c1")]
    assert (reply.moved, reply.address) == (True, make_ref())


async def test_who_sleeps_does_so_by_its_own_policy(leaving, verbs, paglet):
    policy = DeactivationPolicy(activate_on_message=False)
    departure = Departure(verb="deactivate", policy=encode_policy(policy))
    reply = await leaving.leave(paglet, departure)
    assert verbs.asked == [("sleep", "tour", policy)]
    assert not reply.moved


async def test_who_sleeps_without_a_policy_is_woken_by_a_message(leaving, verbs, paglet):
    await leaving.leave(paglet, Departure(verb="deactivate"))
    assert verbs.asked == [("sleep", "tour", DeactivationPolicy())]


async def test_who_ends_is_disposed(leaving, verbs, paglet):
    await leaving.leave(paglet, Departure(verb="dispose"))
    assert verbs.asked == [("dispose", "tour")]


@pytest.mark.parametrize(
    ("departure", "error"),
    [
        (Departure(verb="dispatch"), InvalidRequestError),
        (Departure(verb="retract"), LifecycleError),
    ],
)
async def test_what_a_process_cannot_mean_is_refused(leaving, verbs, paglet, departure, error):
    with pytest.raises(error):
        await leaving.leave(paglet, departure)
    assert verbs.asked == []


@pytest.mark.parametrize("error", [TransferError("beta refused"), MoveInDoubtError("no word")])
async def test_how_it_failed_is_told_to_the_sender(leaving, verbs, paglet, error):
    verbs.error = error
    with pytest.raises(type(error), match=error.message):
        await leaving.leave(paglet, DISPATCH)


async def test_where_another_verb_came_first_the_gate_opens_once_that_is_over(
    leaving, verbs, paglet
):
    verbs.error = BusyError("busy with clone")
    with paglet.doing(Verb.CLONE):
        with pytest.raises(BusyError):
            await leaving.leave(paglet, DISPATCH)
        await turn(3)
        assert not paglet.gate_open
    await until(lambda: paglet.gate_open)


async def test_the_gate_stays_closed_where_the_verb_that_came_first_took_it_away(
    bench, leaving, verbs, paglet
):
    verbs.error = BusyError("busy with deactivate")
    with paglet.doing(Verb.DEACTIVATE):
        with pytest.raises(BusyError):
            await leaving.leave(paglet, DISPATCH)
        paglet.row = make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy())
    await until(lambda: not tasks_named("gate of tour"))
    assert not paglet.gate_open


def tasks_named(name):
    return [task for task in asyncio.all_tasks() if task.get_name() == name]


async def test_a_departure_nobody_waits_for_is_recorded_where_it_fails(
    bench, leaving, verbs, paglet
):
    verbs.error = TransferError("beta refused")
    await leaving.leave_quietly(paglet, DISPATCH)
    (event,) = [event for event in bench.recorder.read().events if event.kind == "departure"]
    assert (event.agent_id, event.level) == ("tour", "warning")
    assert "could not dispatch: beta refused" in event.text


async def test_a_departure_nobody_waits_for_that_works_is_no_news_of_its_own(
    bench, leaving, paglet
):
    await leaving.leave_quietly(paglet, DISPATCH)
    assert "departure" not in bench.kinds()
