"""What a host has for jobs, as measured, less what its owner keeps."""

from pathlib import Path

import pytest

from paglets.model.errors import InvalidRequestError
from paglets.system.compute_slots.measuring import WINDOW, HostLimits, RoomReader, limits_of
from paglets.system.machine import cpus_allowed

HUGE = 1 << 50


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_limits_a_host_gives_all_that_it_may_use(tmp_path: Path):
    room = RoomReader(tmp_path, HostLimits(), ("gpu",)).room()
    assert 0 < room.cores <= cpus_allowed()
    assert 0 < room.memory_free_bytes <= room.memory_bytes
    assert 0 < room.temp_free_bytes <= room.temp_bytes
    assert (room.tags, room.max_load_per_cpu) == (("gpu",), None)
    assert room.load_per_cpu >= 0


def test_an_owner_can_keep_some_back_but_not_give_more_than_there_is(tmp_path: Path):
    small = RoomReader(tmp_path, HostLimits(0.5, 1000, 2000, 0.8), ()).room()
    assert (small.cores, small.memory_bytes, small.temp_bytes) == (0.5, 1000, 2000)
    assert small.max_load_per_cpu == 0.8
    all_of_it = RoomReader(tmp_path, HostLimits(), ()).room()
    large = RoomReader(tmp_path, HostLimits(1e6, HUGE, HUGE), ()).room()
    assert (large.cores, large.memory_bytes, large.temp_bytes) == (
        all_of_it.cores,
        all_of_it.memory_bytes,
        all_of_it.temp_bytes,
    )


def test_a_measurement_counts_as_new_for_a_moment(tmp_path: Path):
    clock = Clock()
    reader = RoomReader(tmp_path, HostLimits(), (), clock)
    first = reader.room()
    clock.now += WINDOW / 2
    assert reader.room() is first
    clock.now += WINDOW
    assert reader.room() is not first


def test_properties_of_the_host_come_before_what_was_set_at_its_creation():
    given = HostLimits(cores=8, memory_bytes=1)
    properties = {
        "compute-cores": "1.5",
        "compute-temp": "2GiB",
        "compute-max-load": "0.9",
        "x": "",
    }
    assert limits_of(properties, given) == HostLimits(1.5, 1, 2 * 2**30, 0.9)
    assert limits_of({}, given) == given


@pytest.mark.parametrize(
    ("name", "text"),
    [("compute-cores", "many"), ("compute-memory", "1 pound"), ("compute-cores", "-1")],
)
def test_a_property_that_makes_no_sense_is_named(name, text):
    with pytest.raises(InvalidRequestError, match=name.replace("compute-", "")):
        limits_of({name: text}, HostLimits())
