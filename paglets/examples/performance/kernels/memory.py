"""Memory kernels: copying and scanning a buffer, which should be larger than the caches."""

from paglets.examples.performance.kernels.rates import Batch

PATTERN = b"\x55"
"""Fills the buffer: pages never written would all be one page of zeros."""


def copy_kernel(size_bytes: int) -> Batch:
    """Return a kernel that copies `size_bytes` from one buffer to another; in MiB copied.

    It takes twice `size_bytes` of memory, and reads and writes each byte once.
    """
    source = memoryview(PATTERN * size_bytes)
    target = memoryview(bytearray(size_bytes))

    def batch() -> float:
        target[:] = source
        return size_bytes / 2**20

    return batch


def scan_kernel(size_bytes: int) -> Batch:
    """Return a kernel that looks through `size_bytes` for a byte that is not there; in MiB."""
    buffer = PATTERN * size_bytes

    def batch() -> float:
        if buffer.find(b"\xaa") != -1:
            raise AssertionError("the buffer has changed")
        return size_bytes / 2**20

    return batch
