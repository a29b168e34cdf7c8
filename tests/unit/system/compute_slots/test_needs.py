"""What a job needs, what a host has, and what stands between."""

import pytest

from paglets.model.errors import InvalidRequestError
from paglets.system.compute_slots.needs import (
    Blocker,
    BlockerKind,
    Needs,
    Use,
    blockers,
    describe,
    finals,
    fits_beside,
)
from tests.unit.system.compute_slots.support import MIB, room


@pytest.mark.parametrize(
    "wrong",
    [
        {"cores": 0.0},
        {"cores": float("nan")},
        {"cores": float("inf")},
        {"memory_bytes": -1},
        {"temp_bytes": -1},
        {"max_load_per_cpu": 0.0},
        {"max_load_per_cpu": float("nan")},
    ],
)
def test_needs_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidRequestError):
        Needs(**wrong)


def test_a_job_that_fits_has_no_blockers():
    needs = Needs(cores=4, memory_bytes=1000 * MIB, temp_bytes=1000 * MIB)
    assert blockers(needs, room(4), Use()) == ()


def test_ten_tenths_of_a_core_fit_into_one():
    use = Use()
    for _ in range(9):
        use = use.plus(Needs(cores=0.1))
    assert blockers(Needs(cores=0.1), room(1), use) == ()


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"cores": 4.5}, BlockerKind.CORES),
        ({"memory_bytes": 1001 * MIB}, BlockerKind.MEMORY),
        ({"temp_bytes": 1001 * MIB}, BlockerKind.TEMP),
        ({"tags": ("gpu", "a")}, BlockerKind.TAGS),
    ],
)
def test_what_a_host_does_not_have_at_all_is_final(wanted, kind):
    host = room(4, tags=("a",))
    (found,) = finals(Needs(**wanted), host)
    assert (found.kind, found.is_final) == (kind, True)
    assert blockers(Needs(**wanted), host, Use()) == (found,)


def test_what_other_jobs_hold_is_held_and_no_longer_final():
    use = Use(cores=2.0, memory_bytes=900 * MIB, temp_bytes=900 * MIB)
    needs = Needs(cores=3, memory_bytes=200 * MIB, temp_bytes=200 * MIB)
    found = blockers(needs, room(4), use)
    assert [each.kind for each in found] == [
        BlockerKind.CORES,
        BlockerKind.MEMORY,
        BlockerKind.TEMP,
    ]
    assert all(each.is_held and not each.is_final for each in found)


def test_memory_that_others_than_jobs_have_taken_is_not_held():
    (found,) = blockers(Needs(memory_bytes=200 * MIB), room(memory_free_bytes=100 * MIB), Use())
    assert (found.kind, found.is_held) == (BlockerKind.MEMORY, False)


def test_memory_that_was_granted_and_is_not_taken_yet_is_not_granted_again():
    one = Use().plus(Needs(memory_bytes=400 * MIB))
    host = room(memory_free_bytes=500 * MIB)
    assert [each.kind for each in blockers(Needs(memory_bytes=200 * MIB), host, one)] == [
        BlockerKind.MEMORY
    ]
    taken = Use(cores=1, memory_bytes=400 * MIB, memory_unused_bytes=0)
    assert blockers(Needs(memory_bytes=200 * MIB), host, taken) == ()


def test_who_needs_no_memory_is_not_kept_out_by_its_lack():
    assert blockers(Needs(), room(memory_free_bytes=0, temp_free_bytes=0), Use()) == ()


@pytest.mark.parametrize(
    ("job", "host", "blocked"),
    [
        (None, None, False),
        (0.8, None, True),
        (None, 0.8, True),
        (1.5, 0.8, True),
        (1.5, 2.0, False),
    ],
)
def test_the_lower_of_the_limits_of_job_and_host_on_the_load_counts(job, host, blocked):
    busy = room(load_per_cpu=1.4, max_load_per_cpu=host)
    found = blockers(Needs(max_load_per_cpu=job), busy, Use())
    assert [each.kind for each in found] == ([BlockerKind.LOAD] if blocked else [])
    assert not any(each.is_held for each in found)


def test_jobs_fit_together_only_where_every_sum_fits():
    half = Needs(cores=2, memory_bytes=500 * MIB, temp_bytes=500 * MIB)
    assert fits_beside([half, half], room(4))
    assert not fits_beside([half, half, Needs(cores=0.5)], room(4))
    assert not fits_beside([half, half, Needs(cores=0.5, memory_bytes=1)], room(9))
    assert not fits_beside([half, half, Needs(cores=0.5, temp_bytes=1)], room(9))


@pytest.mark.parametrize(
    ("blocker", "holders", "text"),
    [
        (
            Blocker(BlockerKind.CORES, 4, 2, 4, is_held=True),
            ["a"],
            "needs 4 cores, 2 of 4 are free until job a is over",
        ),
        (
            Blocker(BlockerKind.CORES, 4, 2, 4, is_held=True),
            ["a", "b", "c", "d", "e"],
            "needs 4 cores, 2 of 4 are free until jobs a, b, c and 2 more are over",
        ),
        (
            Blocker(BlockerKind.CORES, 8, 4, 4, is_final=True),
            [],
            "needs 8 cores, the host has 4 for jobs",
        ),
        (
            Blocker(BlockerKind.MEMORY, 3 * 2**30, 2**30, 4 * 2**30),
            ["a"],
            "needs 3.0 GiB of memory, 1.0 GiB of 4.0 GiB are free: others than jobs use it",
        ),
        (
            Blocker(BlockerKind.TEMP, 3 * 2**30, 2**30, 2**30, is_final=True),
            [],
            "needs 3.0 GiB of temp space, the host has 1.0 GiB for jobs",
        ),
        (
            Blocker(BlockerKind.MEMORY, 2**30 + 9, 2**30, 4 * 2**30, is_held=True),
            ["a"],
            "needs 1073741833 B of memory, 1073741824 B of 4294967296 B are free until job a is "
            "over",
        ),
        (Blocker(BlockerKind.LOAD, 0.8, 1.4), [], "load per CPU 1.40 is over 0.8"),
        (Blocker(BlockerKind.TAGS, missing=("gpu", "ssd")), [], "the host has no tag gpu, ssd"),
        (Blocker(BlockerKind.ORDER, missing=("big",)), [], "job big is served first"),
    ],
)
def test_a_blocker_is_told_with_its_figures(blocker, holders, text):
    assert describe(blocker, holders) == text
