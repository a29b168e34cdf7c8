from hypothesis import given
from hypothesis import strategies as st

from paglets.supervise.output import LINE_LIMIT, OutputRing


def test_lines_are_told_whole_however_they_arrive() -> None:
    told: list[str] = []
    ring = OutputRing(told.append)
    for byte in "grün\nblau\r\nrest".encode():
        ring.feed(bytes([byte]))
    assert told == ["grün", "blau"]
    assert ring.lines == ["grün", "blau", "rest"]


def test_who_asks_late_is_told_what_was_kept_and_what_follows() -> None:
    lines: list[str] = []
    ring = OutputRing()
    ring.feed(b"first\nsec")
    ring.tell(lines.append)
    assert lines == ["first"]
    ring.feed(b"ond\n")
    assert lines == ["first", "second"]


def test_the_last_line_counts_when_the_process_has_ended() -> None:
    told: list[str] = []
    ring = OutputRing(told.append)
    ring.feed(b"no line feed \xe2\x82")
    ring.finish()
    assert told == ring.lines == ["no line feed \N{REPLACEMENT CHARACTER}"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    ring = OutputRing()
    ring.feed(b"\xff\xfe\n")
    assert ring.lines == ["\N{REPLACEMENT CHARACTER}" * 2]


def test_oldest_lines_go_when_the_limit_is_reached() -> None:
    ring = OutputRing(limit_bytes=12)
    ring.feed(b"one\ntwo\nthree\n")
    assert ring.lines == ["two", "three"]
    assert ring.dropped == 1


def test_a_line_without_end_is_cut_and_stays_bounded() -> None:
    told: list[str] = []
    ring = OutputRing(told.append)
    for _ in range(20):
        ring.feed(b"x" * LINE_LIMIT)
    assert len(told) == 19
    assert {len(line) for line in told} == {LINE_LIMIT}
    assert sum(map(len, ring.lines)) <= 64 * 1024 + LINE_LIMIT


def test_lines_of_an_ended_process_are_kept_in_silence_and_counted() -> None:
    told: list[str] = []
    past, ended = OutputRing(told.append, limit_bytes=12), OutputRing(limit_bytes=8)
    past.feed(b"one\n")
    ended.feed(b"two\nthree\nfour")
    past.absorb(ended)
    assert past.lines == ["three", "four"]
    assert past.dropped == 2
    assert told == ["one"]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_what_is_kept_never_exceeds_the_limit(pieces: list[bytes]) -> None:
    ring = OutputRing(limit_bytes=64)
    for piece in pieces:
        ring.feed(piece)
    ring.finish()
    assert sum(len(line.encode()) + 1 for line in ring.lines) <= 64
