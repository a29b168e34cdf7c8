"""CPU kernels, each for one core: integer and float arithmetic in Python, and hashing in C."""

import hashlib

STEPS = 20_000
"""Steps of one arithmetic batch: about a millisecond."""
HASHED_BYTES = 1 << 20
"""Bytes hashed in one batch."""
_MASK = (1 << 30) - 1
"""Keeps the integers within one digit of Python's own."""

_block = bytes(HASHED_BYTES)


def integer_batch() -> float:
    """Run a linear congruential generator; return millions of steps.

    A step is one multiplication, one addition and one masking.
    """
    value = 1
    for _ in range(STEPS):
        value = (value * 1_103_515 + 12_345) & _MASK
    return STEPS / 1e6 if value >= 0 else 0.0


def float_batch() -> float:
    """Run the logistic map; return millions of steps.

    A step is two multiplications and one subtraction.
    """
    value = 0.3
    for _ in range(STEPS):
        value = 3.7 * value * (1.0 - value)
    return STEPS / 1e6 if 0.0 <= value <= 1.0 else 0.0


def hash_batch() -> float:
    """Take the SHA-256 of `HASHED_BYTES`; return MiB."""
    hashlib.sha256(_block).digest()
    return HASHED_BYTES / 2**20
