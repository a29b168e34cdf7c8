"""What a home knows of its jobs."""

import pytest

from paglets.model.errors import ConflictError, FullError, InvalidNameError
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots import book as book_module
from paglets.system.compute_slots.book import JobBook
from paglets.system.compute_slots.contract import JobOrder, JobPhase
from tests.unit.system.compute_slots.support import note


def test_a_note_replaces_the_one_before_and_keeps_when_the_phase_began():
    book = JobBook()
    book.write(note("a", JobPhase.PLACING, text="nobody has 9 cores"), 10.0)
    book.write(note("a", JobPhase.PLACING, text="nobody has 8 cores"), 20.0)
    assert (book.entries["a"].since, book.entries["a"].text) == (10.0, "nobody has 8 cores")
    book.write(note("a", JobPhase.QUEUED, host="beta"), 30.0)
    assert (book.entries["a"].since, book.entries["a"].host) == (30.0, "beta")


def test_a_job_hears_at_its_next_note_that_it_is_to_end():
    book = JobBook()
    assert not book.write(note("a", JobPhase.PLACING), 1.0).is_cancelled
    assert book.cancel("a")
    assert book.write(note("a", JobPhase.PLACING), 2.0).is_cancelled
    assert book.cancelled() == ["a"]
    assert not book.write(note("a", JobPhase.CANCELLED), 3.0).is_cancelled
    assert book.cancelled() == []


def test_a_job_that_has_ended_or_is_unknown_cannot_be_cancelled():
    book = JobBook()
    book.write(note("a", JobPhase.DONE), 1.0)
    assert not book.cancel("a")
    assert not book.cancel("b")


def test_a_job_whose_paglet_is_gone_has_ended():
    book = JobBook()
    for job_id in ("a", "b", "c"):
        book.write(note(job_id, JobPhase.QUEUED), 1.0)
    book.cancel("b")
    book.write(note("c", JobPhase.DONE), 1.0)
    for job_id in ("a", "b", "c", "nobody"):
        book.gone(job_id, 2.0)
    assert [book.entries[each].phase for each in "abc"] == [
        JobPhase.FAILED,
        JobPhase.CANCELLED,
        JobPhase.DONE,
    ]
    assert "disposed" in book.entries["a"].text
    assert book.cancelled() == []


def test_those_that_ended_first_are_forgotten_first_and_open_ones_never(monkeypatch):
    monkeypatch.setattr(book_module, "ENDED_LIMIT", 2)
    book = JobBook()
    for job_id in ("open", "a", "b", "c"):
        book.write(note(job_id, JobPhase.PLACING), 1.0)
    for moment, job_id in enumerate("cab"):
        book.write(note(job_id, JobPhase.DONE), 2.0 + moment)
    assert set(book.entries) == {"open", "a", "b"}


def test_only_so_many_jobs_may_be_open(monkeypatch):
    monkeypatch.setattr(book_module, "OPEN_LIMIT", 2)
    book = JobBook()
    book.write(note("a", JobPhase.PLACING), 1.0)
    book.require_room()
    book.write(note("b", JobPhase.QUEUED), 1.0)
    with pytest.raises(FullError, match="2 jobs"):
        book.require_room()
    book.write(note("a", JobPhase.FAILED), 2.0)
    book.require_room()


def test_long_texts_are_cut():
    book = JobBook()
    book.write(note("a", JobPhase.FAILED, text="x" * 1000), 1.0)
    assert len(book.entries["a"].text) == book_module.TEXT_LIMIT


def test_a_forgotten_job_is_unknown():
    book = JobBook()
    book.write(note("a", JobPhase.DONE), 1.0)
    assert book.forget("a")
    assert not book.forget("a")


HOME = PagletProxyRef("http://alpha:1", "a", host_name="alpha")


def order(ticket: str = "one", class_name: str = "m:Job") -> JobOrder:
    return JobOrder("a", class_name, ticket)


def test_a_job_that_was_announced_is_there_and_may_still_be_made():
    book = JobBook()
    assert book.expect(order(), HOME, 1.0)
    assert (book.entries["a"].phase, book.entries["a"].home) == (JobPhase.PLACING, "alpha")
    assert book.expect(order("two"), HOME, 2.0)
    assert not book.write(note("a", JobPhase.PLACING, ticket="two"), 3.0).is_surplus
    assert not book.expect(order("three"), HOME, 4.0)


def test_of_two_that_are_made_under_one_id_the_first_that_speaks_is_it():
    book = JobBook()
    book.expect(order("one"), HOME, 1.0)
    book.expect(order("two"), HOME, 1.0)
    assert not book.write(note("a", JobPhase.PLACING, ticket="one"), 2.0).is_surplus
    assert book.write(note("a", JobPhase.PLACING, ticket="two", text="mine"), 3.0).is_surplus
    assert book.entries["a"].text == ""
    assert not book.write(note("a", JobPhase.DONE, ticket="one"), 4.0).is_surplus


def test_an_id_belongs_to_jobs_of_one_class():
    book = JobBook()
    book.write(note("a", JobPhase.DONE), 1.0)
    with pytest.raises(ConflictError, match="a m:Job"):
        book.expect(order(class_name="m:Other"), HOME, 2.0)


def test_an_id_is_free_again_when_its_paglet_is_gone():
    book = JobBook()
    book.write(note("a", JobPhase.CANCELLED, is_gone=True), 1.0)
    assert book.expect(order(), HOME, 2.0)
    book.write(note("a", JobPhase.QUEUED, ticket="one"), 3.0)
    book.gone("a", 4.0)
    assert book.expect(order("two"), HOME, 5.0)


def test_who_was_announced_and_never_made_is_forgotten():
    book = JobBook()
    book.expect(order(), HOME, 1.0)
    book.gone("a", 61.0)
    assert book.entries == {}


def test_announced_jobs_count_as_open(monkeypatch):
    monkeypatch.setattr(book_module, "OPEN_LIMIT", 1)
    book = JobBook()
    book.expect(order(), HOME, 1.0)
    assert book.expect(order("two"), HOME, 1.0)
    with pytest.raises(FullError):
        book.expect(JobOrder("b", "m:Job"), HOME, 1.0)


def test_a_job_id_is_a_name():
    with pytest.raises(InvalidNameError):
        JobOrder("a b", "m:Job")
