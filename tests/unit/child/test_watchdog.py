"""Watches: told once and in time by whoever waits, and nobody needs a thread for that."""

import pytest

from paglets.child.watchdog import Watchdog


class Clock:
    """What the watchdog takes for the time."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("paglets.child.watchdog.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_without_a_watch_one_may_wait_as_long_as_one_wants():
    dog = Watchdog()
    assert dog.limit(None) is None
    assert dog.limit(5.0) == 5.0


def test_the_next_deadline_bounds_every_wait(clock):
    dog = Watchdog()
    with dog.watch(10.0, list), dog.watch(3.0, list):
        assert dog.limit(None) == 3.0
        assert dog.limit(1.0) == 1.0
        clock.now += 4.0
        assert dog.limit(None) == 0.0
    assert dog.limit(None) is None


def test_what_takes_too_long_is_told_once_and_while_it_goes_on(clock):
    told = []
    dog = Watchdog()
    with dog.watch(10.0, lambda: told.append("late")):
        dog.look()
        clock.now += 10.0
        dog.look()
        dog.look()
        assert told == ["late"]
        assert dog.limit(None) is None


def test_what_ends_in_time_is_never_told(clock):
    told = []
    dog = Watchdog()
    with pytest.raises(KeyError), dog.watch(10.0, lambda: told.append("late")):
        raise KeyError
    clock.now += 11.0
    dog.look()
    assert told == []


def test_each_has_its_own_time_whichever_began_first(clock):
    told = []
    dog = Watchdog()
    with dog.watch(10.0, lambda: told.append("outer")), dog.watch(1.0, lambda: told.append("in")):
        clock.now += 2.0
        dog.look()
        assert told == ["in"]
        clock.now += 9.0
        dog.look()
    assert told == ["in", "outer"]


def test_who_waits_already_is_told_of_a_new_watch(clock):
    dog, began = Watchdog(), []
    dog.began = lambda: began.append(dog.limit(None))
    with dog.watch(7.0, list):
        assert began == [7.0]
