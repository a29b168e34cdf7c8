import pytest

from paglets.mesh.awareness import Awareness
from paglets.mesh.suspicion import begin_suspicion
from paglets.mesh.timing import LAN


def test_an_unconfirmed_suspicion_lasts_longest():
    assert begin_suspicion(LAN, 10, "a", now=100.0).deadline == pytest.approx(124.0)


def test_in_a_mesh_of_three_nobody_can_confirm_so_it_lasts_shortest():
    assert begin_suspicion(LAN, 3, "a", now=100.0).deadline == pytest.approx(104.0)


def test_enough_confirmations_bring_it_to_the_shortest():
    suspicion = begin_suspicion(LAN, 10, "a", now=100.0)
    assert suspicion.confirm("b")
    assert 104.0 < suspicion.deadline < 124.0
    assert suspicion.confirm("c")
    assert suspicion.deadline == pytest.approx(104.0)


def test_an_accuser_counts_once_and_the_first_does_not_confirm_itself():
    suspicion = begin_suspicion(LAN, 10, "a", now=100.0)
    assert not suspicion.confirm("a")
    assert suspicion.confirm("b")
    assert not suspicion.confirm("b")


def test_confirmations_beyond_those_needed_are_no_news():
    suspicion = begin_suspicion(LAN, 10, "a", now=100.0)
    assert [suspicion.confirm(who) for who in "bcd"] == [True, True, False]


def test_a_pause_of_our_own_moves_the_deadline():
    suspicion = begin_suspicion(LAN, 3, "a", now=100.0)
    suspicion.delay(30.0)
    assert suspicion.deadline == pytest.approx(134.0)


@pytest.mark.parametrize(
    ("deltas", "score"),
    [([-1], 0), ([1], 1), ([3, -1], 2), ([20], 7), ([20, -1], 6), ([5, -9], 0)],
)
def test_health_stays_between_zero_and_its_limit(deltas, score):
    awareness = Awareness(8)
    for delta in deltas:
        awareness.apply(delta)
    assert awareness.score == score
