"""Whom a host tells and looks for in each tick."""

import pytest

from paglets.system.compute_slots.book import JobBook
from paglets.system.compute_slots.contract import JobPhase
from paglets.system.compute_slots.rounds import (
    LOOK_AFTER,
    LOOKED_AT_ONCE,
    REST,
    TELL_AGAIN,
    TICK,
    Rounds,
    Ticked,
)
from paglets.system.compute_slots.slots import SlotTable, SlotTimes
from tests.unit.system.compute_slots.support import note, ref, request, room

START = 1000.0
TIMES = SlotTimes(lease=60.0)


class Played:
    """A host's table and book, and the rounds over them."""

    def __init__(self):
        self.table, self.book, self.rounds = SlotTable(), JobBook(), Rounds()

    def ask(self, *job_ids, cores=1.0):
        for job_id in job_ids:
            self.table.ask(request(job_id, cores=cores), room(), START)
        self.table.admit(room(), TIMES, START)

    def tick(self, now, expired=()) -> Ticked:
        return self.rounds.next(self.table, self.book, expired, now)


@pytest.fixture
def played():
    return Played()


def ids(refs):
    return [each.agent_id for each in refs]


def test_a_host_without_jobs_rests_until_there_is_one(played):
    assert played.tick(START) == Ticked(turn=(), end=(), silent=(), pause=REST)
    played.ask("a")
    assert played.tick(START).pause == TICK


def test_a_job_that_was_granted_is_told_where_it_was_asked_from(played):
    played.ask("a")
    assert played.tick(START).turn == (ref("a"),)


def test_a_job_that_waits_is_told_nothing(played):
    played.ask("a", "b", cores=3.0)
    assert ids(played.tick(START).turn) == ["a"]


def test_who_has_not_asked_since_is_told_again_but_not_at_each_tick(played):
    played.ask("a")
    told = [ids(played.tick(START + since).turn) for since in (0.0, TELL_AGAIN - 0.1, TELL_AGAIN)]
    assert told == [["a"], [], ["a"]]


def test_who_has_asked_since_is_told_no_more(played):
    played.ask("a")
    played.tick(START)
    played.table.heard("a")
    assert played.tick(START + TELL_AGAIN).turn == ()


def test_what_comes_after_an_answer_is_told_at_once(played):
    played.ask("a")
    played.tick(START)
    played.rounds.heard("a")
    assert ids(played.tick(START + 0.1).turn) == ["a"]


def test_a_job_nobody_was_told_of_may_be_heard(played):
    played.rounds.heard("nobody")
    assert played.tick(START).turn == ()


def test_a_job_whose_lease_ended_is_to_look(played):
    played.ask("a")
    played.table.heard("a")
    expired = played.table.expire(TIMES, START + TIMES.lease)
    assert ids(played.tick(START + TIMES.lease, expired).turn) == ["a"]
    assert played.tick(START + TIMES.lease + TELL_AGAIN).turn == ()


def test_a_job_that_is_to_end_is_told_that_and_not_to_look(played):
    played.ask("a")
    played.table.cancel("a")
    ticked = played.tick(START)
    assert (ids(ticked.turn), ids(ticked.end)) == ([], ["a"])


def test_a_job_of_this_home_that_is_elsewhere_is_told_to_end_until_it_has(played):
    played.book.write(note("a", JobPhase.RUNNING, host="beta"), START)
    played.book.cancel("a")
    ticked = played.tick(START)
    assert (ids(ticked.end), ticked.pause) == (["a"], TICK)
    assert ids(played.tick(START + TELL_AGAIN).end) == ["a"]
    played.book.write(note("a", JobPhase.CANCELLED), START + TELL_AGAIN)
    assert played.tick(START + 2 * TELL_AGAIN).end == ()


def test_a_job_in_table_and_book_is_told_once(played):
    played.ask("a")
    played.table.cancel("a")
    played.book.write(note("a", JobPhase.RUNNING), START)
    played.book.cancel("a")
    assert ids(played.tick(START).end) == ["a"]


def test_a_job_elsewhere_that_says_nothing_is_looked_for(played):
    played.book.write(note("a", JobPhase.RUNNING, host="beta"), START)
    assert played.tick(START + LOOK_AFTER - 0.1).silent == ()
    ticked = played.tick(START + LOOK_AFTER)
    assert (ids(ticked.silent), ticked.pause) == (["a"], LOOK_AFTER)


def test_a_job_is_looked_for_again_only_after_as_long(played):
    played.book.write(note("a", JobPhase.RUNNING, host="beta"), START)
    times = [LOOK_AFTER, 1.5 * LOOK_AFTER, 2 * LOOK_AFTER]
    assert [len(played.tick(START + since).silent) for since in times] == [1, 0, 1]


def test_a_job_with_a_slot_here_is_not_looked_for_since_its_lease_tells(played):
    played.ask("a")
    played.book.write(note("a", JobPhase.RUNNING), START)
    assert played.tick(START + LOOK_AFTER).silent == ()


def test_a_job_that_has_ended_is_not_looked_for(played):
    played.book.write(note("a", JobPhase.DONE), START)
    ticked = played.tick(START + LOOK_AFTER)
    assert (ticked.silent, ticked.pause) == ((), REST)


def test_many_silent_jobs_are_looked_for_some_at_a_time_and_all_in_turn(played):
    every = [f"j{number}" for number in range(2 * LOOKED_AT_ONCE + 1)]
    for job_id in every:
        played.book.write(note(job_id, JobPhase.PLACING), START)
    looked = [ids(played.tick(START + LOOK_AFTER + tick).silent) for tick in range(4)]
    assert [len(each) for each in looked] == [LOOKED_AT_ONCE, LOOKED_AT_ONCE, 1, 0]
    assert [job_id for each in looked for job_id in each] == every
