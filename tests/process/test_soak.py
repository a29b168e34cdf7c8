"""Work leaves nothing behind; `benchmarks/soak.py` shows the same for a day's work."""

from dataclasses import replace

import pytest

from benchmarks import soak
from benchmarks.soak import EXECUTOR_THREADS, TOLERANCE, Footprint, Soak

EMPTY = Footprint(
    host_files=20, host_threads=5, host_mib=30.0, forkserver_files=7, forkserver_threads=1,
    forkserver_mib=10.0, processes=1, paglet_rows=0, message_rows=0, call_rows=0, store_kib=80.0,
    log_kib=100.0, other_files=4,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_lives_and_messages_leave_files_threads_and_store_as_they_were():
    found = await soak.soak(lives=300, messages=3000, samples=1)
    assert found.leaks == [], soak.table(found)
    assert found.samples[-1].call_rows > 0  # outcomes were kept for repeats, …
    assert found.kept == (0, found.fresh_kib)  # … and are gone a day later, to the last page


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host_files", 21), ("host_threads", 6 + EXECUTOR_THREADS), ("processes", 2),
        ("paglet_rows", 1), ("message_rows", 1), ("other_files", 5),
        ("host_mib", 30.1 + TOLERANCE["host_mib"]),
    ],
)  # fmt: skip
def test_whatever_grows_is_told(name, value):
    found = Soak([EMPTY, replace(EMPTY, **{name: value})], (0, 80.0), 80.0)
    assert found.leaks == [name]
    assert "**grew**" in soak.table(found)


def test_what_is_kept_beyond_its_day_is_told():
    assert Soak([EMPTY, EMPTY], (1, 84.0), 80.0).leaks == ["call_rows", "store_kib"]
    assert Soak([EMPTY, EMPTY], (0, 80.0), 80.0).leaks == []
