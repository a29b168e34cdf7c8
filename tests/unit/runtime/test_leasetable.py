"""The table of leases: who keeps whom awake, and until when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paglets.model.errors import ConflictError, FullError, InvalidRequestError
from paglets.runtime import leasetable
from paglets.runtime.leasetable import LONGEST, Lease, LeaseOwner, LeaseTable

BETA = LeaseOwner("id-beta", 7, "guest")


@pytest.fixture
def table():
    return LeaseTable()


def lease(lease_id="l1", *, until=10.0, agent_id="waiter", owner=BETA):
    return Lease(lease_id, agent_id, owner, until)


def is_held(table, now, agent_id="waiter"):
    return bool(table.holders(agent_id, now=now))


def test_a_lease_holds_until_its_end_and_not_longer(table):
    table.take(lease(until=10.0), now=0.0)
    assert is_held(table, 9.99)
    assert not is_held(table, 10.0)
    assert not is_held(table, 0.0, "another")


def test_the_last_of_several_leases_decides(table):
    table.take(lease("l1", until=10.0), now=0.0)
    table.take(lease("l2", until=20.0), now=0.0)
    assert table.release("l2")
    assert is_held(table, 9.0)
    assert not is_held(table, 11.0)


def test_a_renewed_lease_holds_from_then_on(table):
    table.take(lease(until=10.0), now=0.0)
    assert table.renew("l1", until=25.0, now=9.0).expires_at == 25.0
    assert is_held(table, 24.0)


def test_a_lease_may_be_renewed_to_an_earlier_end(table):
    table.take(lease(until=100.0), now=0.0)
    table.renew("l1", until=2.0, now=1.0)
    assert not is_held(table, 2.0)


@pytest.mark.parametrize("how", ["expired", "released", "never taken", "host restarted"])
def test_a_lease_that_is_over_cannot_be_renewed(table, how):
    if how != "never taken":
        table.take(lease(until=10.0), now=0.0)
    if how == "released":
        table.release("l1")
    if how == "host restarted":
        table = LeaseTable()
    with pytest.raises(ConflictError, match="take a new one"):
        table.renew("l1", until=20.0, now=10.0 if how == "expired" else 5.0)
    assert not is_held(table, 11.0)


def test_a_second_release_does_nothing(table):
    table.take(lease(), now=0.0)
    assert table.release("l1")
    assert not table.release("l1")


def test_a_repeat_takes_the_same_lease(table):
    table.take(lease(until=10.0), now=0.0)
    table.take(lease(until=11.0), now=1.0)
    assert len(table) == 1
    assert table.release("l1")
    assert not is_held(table, 1.0)


def test_an_id_in_use_is_not_taken_by_another(table):
    table.take(lease(), now=0.0)
    for other in (lease(agent_id="another"), lease(owner=LeaseOwner())):
        with pytest.raises(InvalidRequestError, match="another one"):
            table.take(other, now=1.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, LONGEST + 0.1, float("inf"), float("nan")])
def test_its_length_has_bounds(table, seconds):
    with pytest.raises(InvalidRequestError, match="more than 0 and at most 3600 s"):
        table.take(lease(until=seconds), now=0.0)
    table.take(lease(until=LONGEST), now=0.0)
    with pytest.raises(InvalidRequestError, match="more than 0"):
        table.renew("l1", until=seconds, now=0.0)
    assert is_held(table, LONGEST - 1)


def test_leases_are_bounded_and_those_that_are_over_make_room(table, monkeypatch):
    monkeypatch.setattr(leasetable, "MOST", 2)
    table.take(lease("l1", until=1.0), now=0.0)
    table.take(lease("l2", until=9.0), now=0.0)
    with pytest.raises(FullError, match="2 leases"):
        table.take(lease("l3"), now=0.5)
    table.take(lease("l2", until=9.5), now=0.5)
    table.take(lease("l3"), now=1.0)
    assert len(table) == 2


def test_a_host_that_is_gone_holds_nothing_but_its_next_life_does(table):
    table.take(lease("old"), now=0.0)
    table.take(lease("new", owner=LeaseOwner("id-beta", 8, "guest")), now=0.0)
    table.take(lease("other", owner=LeaseOwner("id-gamma", 7, "guest")), now=0.0)
    table.take(lease("client", owner=LeaseOwner()), now=0.0)
    assert table.release_host("id-beta", up_to=7) == 1
    assert {each.lease_id for each in table.holders("waiter", now=0.0)} == {
        "new",
        "other",
        "client",
    }


def test_a_provider_that_is_gone_is_held_by_nobody(table):
    table.take(lease("l1"), now=0.0)
    table.take(lease("l2", agent_id="another"), now=0.0)
    assert table.release_provider("waiter") == 1
    assert not is_held(table, 0.0)
    assert is_held(table, 0.0, "another")


_IDS = st.sampled_from(["l1", "l2", "l3"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), _IDS, st.sampled_from(["a", "b"]), st.floats(0.1, 50.0)),
        st.tuples(st.just("renew"), _IDS, st.floats(0.1, 50.0)),
        st.tuples(st.just("release"), _IDS),
        st.tuples(st.just("pass"), st.floats(0.0, 60.0)),
        st.tuples(st.just("host"), st.sampled_from(["a", "b"])),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(_STEPS)
def test_it_holds_exactly_what_a_plain_model_holds(steps):
    """The model: per lease its owner and end, without any clean-up."""
    table, model, now = LeaseTable(), {}, 0.0
    for step in steps:
        match step:
            case ("take", lease_id, host, seconds):
                until = now + seconds
                alive = model.get(lease_id)
                try:
                    owner = LeaseOwner(host, 1, "guest")
                    table.take(Lease(lease_id, "waiter", owner, until), now=now)
                except InvalidRequestError:
                    assert alive is not None
                    assert alive[0] != host
                else:
                    model[lease_id] = (host, until)
            case ("renew", lease_id, seconds):
                until = now + seconds
                holds = lease_id in model and model[lease_id][1] > now
                if holds:
                    table.renew(lease_id, until=until, now=now)
                    model[lease_id] = (model[lease_id][0], until)
                else:
                    with pytest.raises(ConflictError):
                        table.renew(lease_id, until=until, now=now)
                    model.pop(lease_id, None)
            case ("release", lease_id):
                table.release(lease_id)
                model.pop(lease_id, None)
            case ("host", host):
                table.release_host(host, up_to=1)
                model = {key: value for key, value in model.items() if value[0] != host}
            case ("pass", seconds):
                now += seconds
        held = {each.lease_id for each in table.holders("waiter", now=now)}
        assert held == {key for key, (_, until) in model.items() if until > now}
