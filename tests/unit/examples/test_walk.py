"""The traveller's way and what is made of its times."""

import itertools

import pytest

from paglets.examples.meshbench.walk import Spread, spread, transfer_rate, ways

NAMES = [f"host-{n}" for n in range(12)]


@pytest.mark.parametrize("count", [2, 3, 4, 7, 12])
def test_every_way_is_gone_once_and_each_begins_where_the_last_ended(count):
    hosts = NAMES[:count]
    found = list(ways(hosts))
    assert len(found) == len(set(found)) == count * (count - 1)
    assert all(source != target for source, target in found)
    assert all(one[1] == two[0] for one, two in itertools.pairwise(found))
    assert found[-1][1] == found[0][0]


@pytest.mark.parametrize("count", [0, 1])
def test_one_host_has_no_ways(count):
    assert list(ways(NAMES[:count])) == []


def test_percentiles_are_times_that_were_measured():
    assert spread([float(n) for n in range(100, 0, -1)]) == Spread(50.0, 95.0, 100)
    assert spread([3.0]) == Spread(3.0, 3.0, 1)
    assert spread([]) is None


def test_a_rate_is_payload_by_time():
    assert transfer_rate(1000, 0.5) == 2000.0
