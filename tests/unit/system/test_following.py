"""How far a journal has been read, whatever becomes of it."""

from paglets.system.user_info.contract import Entry, Page, Reading
from paglets.system.user_info.following import Place


def page(*numbers: int, last: int | None = None, **more) -> Page:
    fields = {"journal": "j1", "more": False, "missed": 0, "position": 0, **more}
    entries = [Entry(number, 5.0, f"n{number}") for number in numbers]
    return Page(host="alpha", entries=entries, next=last or max(numbers, default=0), **fields)


def numbers(told) -> list[int]:
    return [entry.sequence for entry in told.entries]


def test_the_first_question_leaves_the_beginning_to_the_journal():
    assert Place().question(Reading(reader="ann")) == Reading(None, "ann")
    assert Place(0).question(Reading(reader="ann")).after == 0


def test_each_question_goes_on_where_the_answer_before_it_ended():
    place = Place()
    place.take(page(3, 4, position=2))

    assert place.question(Reading()).after == 4


def test_what_was_told_is_not_told_again():
    place = Place()

    assert numbers(place.take(page(1, 2))) == [1, 2]
    assert numbers(place.take(page(2, 3))) == [3]
    assert numbers(place.take(page(last=3))) == []


def test_what_was_passed_over_is_not_asked_for_again():
    place = Place()
    place.take(page(last=9))

    assert place.question(Reading()).after == 9


def test_a_gap_is_told():
    assert Place().take(page(5, missed=4)).missed == 4


def test_there_is_more_as_long_as_the_journal_says_so():
    place = Place()

    assert place.take(page(1, more=True)).more
    assert not place.take(page(2)).more


def test_a_new_journal_is_read_from_its_beginning():
    place = Place()
    place.take(page(7, 8))

    told = place.take(page(9, journal="j2"))

    assert (told.is_new_journal, told.more, told.entries) == (True, True, [])
    assert place.question(Reading()).after == 0
    assert numbers(place.take(page(1, 2, journal="j2"))) == [1, 2]


def test_a_journal_that_went_back_does_not_take_the_reader_back():
    place = Place(8)
    place.take(page(last=3))

    assert place.question(Reading()).after == 8
