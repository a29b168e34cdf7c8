from random import Random

import pytest

from paglets.mesh.contacts import OWN_ADDRESS_SECONDS, Contacts
from paglets.mesh.messages import Alive, Dead, Identity
from paglets.mesh.probing import Probe, Ring
from paglets.mesh.table import Table
from paglets.mesh.timing import LAN


def identity(name, generation=10):
    return Identity(f"id-{name}", name, f"http://{name}:8765", generation)


def die(table, name):
    table.apply(Dead(f"id-{name}", 10, 0, "id-x"), 1.0)


@pytest.fixture
def random():
    return Random(1)


@pytest.fixture
def table():
    table = Table(identity("me"), LAN, now=0.0)
    for name in "abcdefgh":
        table.apply(Alive(f"id-{name}", 10, 0, identity(name)), 0.0)
    return table


@pytest.fixture
def ring(table, random):
    ring = Ring()
    for host_id in table.members:
        if host_id != "id-me":
            ring.add(host_id, random)
    return ring


def test_every_member_is_probed_once_a_round(ring, table, random):
    for _ in range(3):
        found = [ring.next(table, random) for _ in range(8)]
        assert sorted(found) == [f"id-{name}" for name in "abcdefgh"]


def test_rounds_are_shuffled(ring, table, random):
    rounds = {tuple(ring.next(table, random) for _ in range(8)) for _ in range(10)}
    assert len(rounds) > 5


def test_the_dead_are_not_probed(ring, table, random):
    die(table, "a")
    assert "id-a" not in {ring.next(table, random) for _ in range(20)}


def test_a_member_that_joins_during_a_round_is_probed_soon(ring, table, random):
    ring.next(table, random)
    table.apply(Alive("id-new", 10, 0, identity("new")), 1.0)
    ring.add("id-new", random)
    ring.add("id-new", random)
    found = [ring.next(table, random) for _ in range(2 * 9)]
    assert 1 <= found.count("id-new") <= 2


def test_who_is_alone_probes_nobody(random):
    table = Table(identity("me"), LAN, now=0.0)
    assert Ring().next(table, random) is None
    assert Ring().some(3, table, random) == []


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_random_members_are_different_live_and_not_the_one_left_out(ring, table, random, count):
    die(table, "a")
    for _ in range(50):
        found = ring.some(count, table, random, besides="id-b")
        assert len(found) == len(set(found)) == min(count, 6)
        assert not {"id-a", "id-b"} & set(found)


@pytest.mark.parametrize(
    ("expected", "nacks", "blame"), [(0, 0, 1), (3, 0, 3), (3, 2, 1), (3, 3, 0)]
)
def test_helpers_that_answer_take_the_blame_off_us(expected, nacks, blame):
    probe = Probe("b", 1, 0.0, 0.5, 1.0, expected_nacks=expected, nacks=nacks)
    assert probe.blame == blame


SEED = "http://seed:8765"


def test_seeds_and_the_dead_are_all_tried_in_the_long_run(table, random):
    contacts = Contacts((SEED, "http://other:8765"))
    die(table, "a")
    die(table, "b")
    found = {contacts.pick(table, random) for _ in range(100)}
    assert found == {
        ("id-a", None),
        ("id-b", None),
        (None, SEED),
        (None, "http://other:8765"),
    }


def test_a_member_that_was_replaced_is_not_tried_again(table, random):
    table.apply(Alive("id-new", 20, 0, Identity("id-new", "a", "http://a2:1", 20)), 1.0)
    assert Contacts(()).pick(table, random) == (None, None)


def test_an_address_of_a_live_member_is_not_joined_again_until_it_dies(table):
    contacts = Contacts((SEED,))
    assert contacts.is_wanted(SEED, table, 0.0)
    contacts.answered(SEED, "id-a", table, 0.0)
    assert not contacts.is_wanted(SEED, table, 1.0)
    die(table, "a")
    assert contacts.is_wanted(SEED, table, 2.0)


def test_an_address_that_is_our_own_is_skipped_for_a_while(table):
    contacts = Contacts((SEED,))
    contacts.answered(SEED, "id-me", table, 10.0)
    assert not contacts.is_wanted(SEED, table, 10.0 + OWN_ADDRESS_SECONDS - 1)
    assert contacts.is_wanted(SEED, table, 10.0 + OWN_ADDRESS_SECONDS)
    assert not contacts.is_wanted("http://me:8765", table, 0.0)


def test_an_address_that_stopped_answering_is_wanted_again(table):
    contacts = Contacts((SEED,))
    contacts.answered(SEED, "id-a", table, 0.0)
    contacts.failed(SEED)
    assert contacts.is_wanted(SEED, table, 1.0)
