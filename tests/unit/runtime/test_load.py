"""The load a host tells of: coarse, so that it changes rarely."""

import pytest

from paglets.runtime.load import (
    LOAD_STEP_MOST,
    decode_load,
    encode_load,
    load_per_cpu,
    load_step,
    parse_quota,
)


@pytest.mark.parametrize(
    ("load", "step"), [(0.0, 0), (0.05, 0), (0.15, 1), (0.25, 2), (1.0, 4), (4.0, 7), (16.0, 10)]
)
def test_a_load_is_told_in_steps_that_grow_with_it(load, step):
    assert load_step(load) == step
    assert decode_load(encode_load(step)) == step


def test_a_load_at_the_border_of_two_steps_is_not_told_again_and_again():
    step, told = 0, []
    for load in (0.05, 0.06, 0.05, 0.07, 0.05, 0.06):
        before, step = step, load_step(load, step)
        told.append(step != before)
    assert not any(told)
    assert load_step(0.2, 0) == 1


def test_a_busy_machine_whose_load_swings_by_a_fifth_tells_nothing():
    step = load_step(4.0)
    assert {load_step(load, step) for load in (3.3, 3.6, 4.4, 4.8)} == {step}


def test_a_load_beyond_all_measure_still_fits_its_byte():
    assert load_step(1e30) == LOAD_STEP_MOST


@pytest.mark.parametrize("payload", [b"", b"ab"])
def test_a_payload_that_is_no_load_counts_as_unknown(payload):
    assert decode_load(payload) == 0


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("50000 100000\n", 0.5), ("max 100000", None), ("", None), ("1 0", None), ("a b", None)],
)
def test_a_cgroups_quota_is_read(text, cpus):
    assert parse_quota(text) == cpus


def test_this_machine_has_a_load():
    load = load_per_cpu()
    assert load is not None
    assert load >= 0
