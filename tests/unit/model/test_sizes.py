"""Amounts of bytes, as people write and read them."""

import pytest

from paglets.model.sizes import parse_size, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("64MiB", 64 * 2**20), ("2G", 2**31), ("1.5 kb", 1536), ("10B", 10)],
)
def test_a_size_is_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1X", "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**40 * 2048, "2048.0 TiB"),
    ],
)
def test_sizes_are_told_in_binary_units(amount, text):
    assert size_text(amount) == text
