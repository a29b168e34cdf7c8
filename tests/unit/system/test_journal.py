"""The journal of user-info: order, bounds, what was dropped, who has read how far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model.enums import Severity
from paglets.model.errors import ConflictError, InvalidNameError, InvalidRequestError
from paglets.model.refs import PagletProxyRef
from paglets.system.user_info.contract import (
    LINE_CHARACTERS,
    LINES_AT_ONCE,
    PAGE_ENTRIES,
    TEXT_CHARACTERS,
    TITLE_CHARACTERS,
    Acknowledge,
    Lines,
    Notice,
    Page,
    Reading,
)
from paglets.system.user_info.journal import Bounds, Journal, JournalState, cut
from paglets.wire.codec import StateCodec

BACKUP = PagletProxyRef("http://alpha:1", "backup", host_name="alpha")
SMALL = Bounds(notices=3, lines=4, streams=2, readers=2)


class Book:
    """A journal with short ways to fill and read it."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.state = JournalState(journal="j1")
        self.journal = Journal(self.state, bounds)

    def notify(self, title: str, severity: Severity = Severity.INFO, text: str = "") -> int:
        return self.journal.notify(Notice(title, text, severity), BACKUP, 5.0)

    def append(self, stream: str, *lines: str) -> int:
        return self.journal.append(Lines(stream, list(lines)), BACKUP, 5.0)

    def read(self, after: int | None = 0, **wanted: object) -> Page:
        return self.journal.page(Reading(after, **wanted), "alpha")

    def told(self, after: int = 0, **wanted: object) -> list[str]:
        return [entry.title or entry.text for entry in self.read(after, **wanted).entries]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def small() -> Book:
    return Book(SMALL)


def test_notifications_and_lines_come_in_the_order_in_which_they_were_told(book: Book):
    assert book.notify("begin", Severity.ERROR) == 1
    assert book.append("log", "one", "two") == 3
    assert book.notify("end") == 4

    page = book.read()

    assert [entry.sequence for entry in page.entries] == [1, 2, 3, 4]
    assert [entry.title or entry.text for entry in page.entries] == ["begin", "one", "two", "end"]
    assert (page.journal, page.host, page.next, page.more, page.missed) == (
        "j1", "alpha", 4, False, 0,
    )  # fmt: skip


def test_an_entry_says_who_told_it_and_when(book: Book):
    book.notify("done", text="in 3 s")

    (entry,) = book.read().entries

    assert (entry.title, entry.text, entry.severity) == ("done", "in 3 s", Severity.INFO)
    assert (entry.source, entry.time, entry.stream) == (BACKUP, 5.0, "")


def test_only_what_comes_after_the_number_is_told(book: Book):
    for number in range(1, 4):
        book.notify(f"n{number}")

    assert book.told(2) == ["n3"]
    assert book.told(3) == []
    assert book.read(3).next == 3


def test_a_number_that_the_journal_has_not_reached_stays_where_it_is(book: Book):
    book.notify("one")

    assert (book.read(9).next, book.read(9).missed) == (9, 0)


def test_a_reader_of_grave_things_is_not_told_of_small_ones(book: Book):
    for severity in Severity:
        book.notify(severity.value, severity)

    assert book.told(severity=Severity.ERROR) == ["error", "critical"]
    assert book.read(severity=Severity.ERROR).next == 4


def test_a_reader_may_want_one_stream_only_or_none(book: Book):
    book.notify("begin")
    book.append("log", "one")
    book.append("progress", "50 %")

    assert book.told(streams=["log"], notifications=False) == ["one"]
    assert book.told(streams=[]) == ["begin"]


def test_pages_follow_one_another_without_a_gap(book: Book):
    book.append("log", *map(str, range(10)))
    after, told = 0, []
    while True:
        page = book.read(after, limit=3)
        told += [entry.text for entry in page.entries]
        after = page.next
        assert page.missed == 0
        if not page.more:
            break

    assert told == [str(number) for number in range(10)]


def test_a_page_holds_no_more_than_a_message_carries():
    book = Book(Bounds(page_bytes=1500))
    for _ in range(10):
        book.notify("x", text="y" * 400)

    assert len(book.read().entries) == 2
    assert len(Book(Bounds(page_bytes=1)).read().entries) == 0
    tight = Book(Bounds(page_bytes=1))
    tight.notify("x")
    tight.notify("y")
    assert (tight.told(), tight.read().more) == (["x"], True)


def test_no_page_has_more_entries_than_a_page_may_have():
    book = Book(Bounds(lines=2 * PAGE_ENTRIES, page_bytes=1 << 30, line_bytes=1 << 30))
    for _ in range(2):
        book.append("log", *["x"] * LINES_AT_ONCE)

    assert len(book.read(limit=10**9).entries) == PAGE_ENTRIES


def test_the_oldest_of_a_severity_makes_room_and_is_counted_as_missed(small: Book):
    for number in range(1, 6):
        small.notify(f"n{number}")

    page = small.read()

    assert [entry.title for entry in page.entries] == ["n3", "n4", "n5"]
    assert page.missed == 2
    assert small.read(1).missed == 1
    assert small.read(2).missed == 0


def test_many_small_notices_never_push_out_a_grave_one(small: Book):
    small.notify("disk is full", Severity.CRITICAL)
    for number in range(100):
        small.notify(f"n{number}")

    assert small.told()[0] == "disk is full"


def test_large_texts_make_room_by_their_bytes():
    book = Book(Bounds(notice_bytes=2000))
    for number in range(5):
        book.notify(f"n{number}", text="ä" * 300)

    assert book.told() == ["n3", "n4"]


def test_a_notice_that_alone_is_too_large_for_its_bounds_is_counted_as_missed():
    book = Book(Bounds(notice_bytes=10))
    book.notify("large")

    assert (book.told(), book.read().missed) == ([], 1)


def test_the_oldest_lines_of_a_stream_make_room_for_new_ones(small: Book):
    small.append("log", *"abcdef")

    assert small.told() == list("cdef")
    assert small.read().missed == 2
    (stream,) = small.journal.streams()
    assert (stream.appended, stream.kept, stream.dropped) == (6, 4, 2)


def test_a_talkative_stream_makes_room_in_itself_and_not_in_a_quiet_one():
    book = Book(Bounds(line_bytes=10_000, all_lines_bytes=4000))
    book.append("quiet", "kept")
    for _ in range(100):
        book.append("loud", "x" * 100)

    kept = {stream.name: stream.kept for stream in book.journal.streams()}

    assert kept["quiet"] == 1
    assert 10 < kept["loud"] < 40


def test_lines_make_room_by_their_bytes():
    book = Book(Bounds(line_bytes=1000))
    book.append("log", *["x" * 300] * 5)

    assert len(book.told()) == 2


def test_the_stream_that_was_quiet_longest_makes_room_for_a_new_one(small: Book):
    small.append("one", "a")
    small.append("two", "b")
    small.append("one", "c")
    small.append("three", "d")

    assert [stream.name for stream in small.journal.streams()] == ["three", "one"]
    assert small.read().missed == 1


def test_dropped_entries_between_two_pages_belong_to_the_page_that_passes_them(small: Book):
    small.notify("kept", Severity.ERROR)
    small.append("log", *"abcdef")
    small.notify("late")

    first = small.read(0, limit=1)
    second = small.read(first.next, limit=10)

    assert (first.next, first.missed, first.more) == (1, 0, True)
    assert (second.missed, len(second.entries)) == (2, 5)


def test_a_title_is_one_line_and_never_empty(book: Book):
    book.notify(" a\nb \t c ")

    assert book.told() == ["a b c"]
    with pytest.raises(InvalidRequestError, match="needs a title"):
        book.notify(" \n")


def test_what_is_too_long_is_cut_and_says_how_long_it_was(book: Book):
    book.notify("t" * 500, text="x" * 9000)
    book.append("log", "y" * 5000)

    notice, line = book.read().entries

    assert len(notice.title) == TITLE_CHARACTERS
    assert len(notice.text) == TEXT_CHARACTERS
    assert len(line.text) == LINE_CHARACTERS
    assert line.text.endswith("… (5000 characters)")
    assert cut("abc", 3) == "abc"


def test_a_text_with_line_ends_is_several_lines_of_a_stream(book: Book):
    book.append("log", "one\ntwo\r\nthree", "")

    assert [entry.text for entry in book.read().entries] == ["one", "two", "three", ""]


@pytest.mark.parametrize("lines", [[], ["x"] * (LINES_AT_ONCE + 1), ["\n" * 1000]])
def test_no_lines_and_too_many_at_once_are_refused(book: Book, lines: list[str]):
    with pytest.raises(InvalidRequestError, match=f"1 to {LINES_AT_ONCE}"):
        book.append("log", *lines)

    assert book.journal.streams() == []
    assert book.read().next == 0


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "../x"])
def test_names_of_streams_and_readers_are_names(book: Book, name: str):
    with pytest.raises(InvalidNameError, match="stream name"):
        book.append(name, "x")
    with pytest.raises(InvalidNameError, match="reader name"):
        book.journal.acknowledge(Acknowledge(name, "j1", 1))


def test_a_reader_goes_on_after_what_was_acknowledged(book: Book):
    for number in range(1, 4):
        book.notify(f"n{number}")

    assert book.journal.acknowledge(Acknowledge("ann", "j1", 2)) == 2

    page = book.read(None, reader="ann")
    assert ([entry.title for entry in page.entries], page.position) == (["n3"], 2)
    assert len(book.read(None, reader="bob").entries) == 3
    assert len(book.read(0, reader="ann").entries) == 3


def test_acknowledging_never_goes_back_nor_beyond_what_there_is(book: Book):
    book.notify("one")
    book.notify("two")

    assert book.journal.acknowledge(Acknowledge("ann", "j1", 99)) == 2
    assert book.journal.acknowledge(Acknowledge("ann", "j1", 1)) == 2


def test_a_number_of_another_journal_is_refused(book: Book):
    with pytest.raises(ConflictError, match="journal j1, not j0"):
        book.journal.acknowledge(Acknowledge("ann", "j0", 1))


def test_readers_are_bounded_and_the_one_away_longest_is_forgotten(small: Book):
    small.notify("one")
    for reader in ("ann", "bob", "ann", "cid"):
        small.journal.acknowledge(Acknowledge(reader, "j1", 1))

    assert list(small.state.readers) == ["ann", "cid"]


@pytest.mark.parametrize("asked", [{"limit": 0}, {"after": -1}])
def test_a_page_of_nothing_is_no_question(book: Book, asked: dict):
    with pytest.raises(InvalidRequestError, match="at least"):
        book.journal.page(Reading(**asked), "alpha")


def test_severities_rise():
    assert [each.rank for each in Severity] == [0, 1, 2, 3]
    assert Severity.INFO.rank < Severity.CRITICAL.rank


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("notify"), st.sampled_from(list(Severity))),
        st.tuples(st.just("append"), st.sampled_from(["a", "b", "c"]), st.integers(1, 6)),
        st.tuples(st.just("read"), st.integers(1, 4)),
    ),
    max_size=40,
)


@given(ACTS)
def test_a_follower_gets_each_entry_once_in_order_and_the_exact_number_of_those_it_missed(acts):
    book, told, seen, missed, after = Book(SMALL), 0, [], 0, 0
    for act, *how in acts:
        if act == "notify":
            book.notify("n", *how)
            told += 1
        elif act == "append":
            book.append(how[0], *["x"] * how[1])
            told += how[1]
        else:
            page = book.read(after, limit=how[0])
            seen += [entry.sequence for entry in page.entries]
            after, missed = page.next, missed + page.missed
    while True:
        page = book.read(after)
        seen += [entry.sequence for entry in page.entries]
        after, missed = page.next, missed + page.missed
        if not page.more:
            break

    assert seen == sorted(set(seen))
    assert len(seen) + missed == told == after


@given(ACTS)
def test_a_journal_keeps_within_its_bounds_and_comes_back_from_the_disk_as_it_was(acts):
    book = Book(SMALL)
    for act, *how in acts:
        if act == "notify":
            book.notify("n", *how)
        elif act == "append":
            book.append(how[0], *["x"] * how[1])

    assert all(len(kept) <= 3 for kept in book.state.notices.values())
    assert len(book.state.streams) <= 2
    assert all(len(stream.lines) <= 4 for stream in book.state.streams.values())
    codec = StateCodec.for_class(JournalState)
    assert codec.decode_reporting(codec.snapshot(book.state)).state == book.state
