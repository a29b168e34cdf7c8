import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.wire.frames import (
    FRAME_LIMIT,
    FrameDecoder,
    FrameTooLargeError,
    decode_length,
    encode_frame,
)


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 30)))
def test_payloads_come_out_whole_and_in_order_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(encode_frame(payload) for payload in payloads)
    decoder = FrameDecoder()
    found: list[bytes] = []
    for size in [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        found += decoder.feed(piece)
    found += decoder.feed(stream)
    assert found == payloads
    assert decoder.is_between_frames


def test_one_byte_at_a_time_gives_the_frame_with_the_last_byte() -> None:
    decoder = FrameDecoder()
    pieces = [decoder.feed(bytes([byte])) for byte in encode_frame(b"abc")]
    assert pieces == [[], [], [], [], [], [], [b"abc"]]


def test_a_stream_that_ends_within_a_frame_is_noticed() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(b"abc")[:-1])
    assert not decoder.is_between_frames


def test_a_payload_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    payload = b"x" * FRAME_LIMIT
    assert FrameDecoder().feed(encode_frame(payload)) == [payload]
    with pytest.raises(FrameTooLargeError) as caught:
        encode_frame(payload + b"x")
    assert (caught.value.size, caught.value.limit) == (FRAME_LIMIT + 1, FRAME_LIMIT)


def test_a_header_over_the_limit_is_refused_before_its_payload_comes() -> None:
    header = (FRAME_LIMIT + 1).to_bytes(4, "big")
    with pytest.raises(FrameTooLargeError):
        FrameDecoder().feed(header)
    with pytest.raises(FrameTooLargeError):
        decode_length(header)


def test_an_empty_payload_is_a_frame() -> None:
    assert FrameDecoder().feed(encode_frame(b"") * 2) == [b"", b""]
    assert decode_length(b"\0\0\0\0") == 0
