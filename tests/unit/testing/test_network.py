import asyncio

import pytest

from paglets.model.errors import HostUnreachableError
from paglets.testing.clock import run_virtual
from paglets.testing.network import Faults, MemoryNetwork, name_of, url_of


def arrivals(faults, count=2000, source="a", target="b"):
    return [faults.fate(source, target) for _ in range(count)]


def test_a_good_network_delivers_everything_once_within_its_delay():
    found = arrivals(Faults(delay=(0.1, 0.2)))
    assert all(len(times) == 1 and 0.1 <= times[0] <= 0.2 for times in found)


def test_loss_and_duplicates_come_in_the_share_asked_for():
    found = arrivals(Faults(1, loss=0.3, duplicate=0.5))
    assert 500 < sum(not times for times in found) < 700
    assert 600 < sum(len(times) == 2 for times in found) < 800


def test_the_same_seed_is_the_same_network():
    assert arrivals(Faults(7, loss=0.5)) == arrivals(Faults(7, loss=0.5))


def test_a_blocked_way_is_blocked_one_way_only():
    faults = Faults()
    faults.block("a", "b")
    assert (faults.fate("a", "b"), bool(faults.fate("b", "a"))) == ((), True)
    faults.heal()
    assert faults.is_open("a", "b")


def test_a_partition_separates_groups_but_not_a_bridge_nor_outsiders():
    faults = Faults()
    faults.partition("ab", "bc")
    assert not faults.is_open("a", "c")
    assert faults.is_open("a", "b")
    assert faults.is_open("b", "c")
    assert faults.is_open("x", "a")


def test_an_isolated_host_hears_and_says_nothing():
    faults = Faults()
    faults.isolate("a", "bc")
    assert not any(faults.is_open(*way) for way in ("ab", "ba", "ac", "ca"))
    assert faults.is_open("b", "c")


def test_names_and_urls_stand_for_each_other():
    assert name_of(url_of("alpha")) == "alpha"


async def answer(path, body, sender):
    return f"{path} {sender} ".encode() + body


def test_a_request_is_carried_and_answered():
    async def main():
        network = MemoryNetwork()
        network.serve("b", answer)
        return await network.transport("a", "id-a").request(url_of("b"), "/p", b"x", 1.0)

    assert run_virtual(main()) == b"/p id-a x"


@pytest.mark.parametrize(("trouble", "seconds"), [("silent", 2.0), ("lost", 2.0), ("absent", 0.0)])
def test_a_request_that_fails_does_so_by_its_deadline(trouble, seconds):
    async def main():
        network = MemoryNetwork(Faults(loss=1.0 if trouble == "lost" else 0.0))
        if trouble != "absent":
            network.serve("b", answer)
        if trouble == "silent":
            network.silent.add("b")
        loop = asyncio.get_running_loop()
        with pytest.raises(HostUnreachableError):
            await network.transport("a", "id-a").request(url_of("b"), "/p", b"x", 2.0)
        return loop.time()

    assert run_virtual(main()) == pytest.approx(seconds, abs=0.01)
