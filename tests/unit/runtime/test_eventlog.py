"""The ring of ContextEvents: order, gaps, filters."""

import pytest

from paglets.runtime.eventlog import EventLog


def filled(count, capacity=10):
    log = EventLog("alpha", capacity=capacity)
    for number in range(1, count + 1):
        log.append(
            "even" if number % 2 == 0 else "odd",
            time=float(number),
            agent_id=f"agent{number % 3}",
            level="warning" if number % 5 == 0 else "info",
            text=f"event {number}",
        )
    return log


def sequences(page):
    return [event.sequence for event in page.events]


def test_events_are_numbered_from_one_and_read_in_order():
    page = filled(3).read(0)
    assert sequences(page) == [1, 2, 3]
    assert (page.next, page.missed) == (3, 0)
    assert page.events[0].host_name == "alpha"


def test_a_reader_goes_on_where_it_was():
    log = filled(5)
    assert sequences(log.read(3)) == [4, 5]
    page = log.read(5)
    assert (sequences(page), page.next, page.missed) == ([], 5, 0)


def test_a_reader_who_fell_behind_is_told_how_many_it_missed():
    page = filled(25, capacity=10).read(3)
    assert sequences(page)[0] == 16
    assert page.missed == 12


def test_a_reader_just_before_the_first_one_kept_missed_nothing():
    assert filled(25, capacity=10).read(15).missed == 0
    assert filled(25, capacity=10).read(14).missed == 1


def test_a_new_reader_missed_nothing():
    assert filled(25, capacity=10).read(0).missed == 0


def test_an_empty_log_gives_an_empty_page():
    page = EventLog("alpha").read(0)
    assert (page.events, page.next, page.missed) == ((), 0, 0)


def test_a_page_ends_at_its_limit_and_the_next_begins_after_it():
    log = filled(9)
    page = log.read(0, limit=4)
    assert sequences(page) == [1, 2, 3, 4]
    assert sequences(log.read(page.next, limit=4)) == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kind": "even"}, [2, 4, 6, 8]),
        ({"agent_id": "agent1"}, [1, 4, 7]),
        ({"level": "warning"}, [5]),
        ({"kind": "even", "agent_id": "agent1"}, [4]),
    ],
)
def test_filters_choose_and_the_place_moves_past_what_they_leave_out(filters, expected):
    page = filled(9).read(0, **filters)
    assert sequences(page) == expected
    assert page.next == 9


def test_a_story_is_the_last_events_of_one_paglet():
    assert filled(9).story("agent1", limit=2) == ["even: event 4", "odd: event 7"]
