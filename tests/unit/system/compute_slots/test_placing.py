"""Which host a job goes to, and how long it pauses."""

import pytest

from paglets.system.compute_slots.contract import Offer
from paglets.system.compute_slots.needs import Blocker, BlockerKind, Needs
from paglets.system.compute_slots.placing import (
    LONGEST_PAUSE,
    LONGEST_QUEUE_PAUSE,
    free_elsewhere,
    in_order,
    pause,
    sample,
)

BUSY = Blocker(BlockerKind.CORES, 1, 0, 4, is_held=True)
NEVER = Blocker(BlockerKind.TAGS, missing=("gpu",), is_final=True)


def offer(host: str, *blockers: Blocker, cores: float = 4.0, waiting: float = 0.0) -> Offer:
    return Offer(host, blockers, (), cores, waiting)


def names(offers: list[Offer]) -> list[str]:
    return [each.host_name for each in offers]


def test_who_can_never_run_it_is_left_out():
    assert names(in_order([offer("a", NEVER), offer("b", BUSY)], "job")) == ["b"]


def test_who_can_begin_now_comes_first_however_much_waits_there():
    found = in_order([offer("busy", BUSY), offer("free", waiting=9.0)], "job")
    assert names(found) == ["free", "busy"]


def test_then_the_least_waiting_for_each_core_counts():
    offers = [offer("small", BUSY, cores=1, waiting=2), offer("large", BUSY, cores=8, waiting=8)]
    assert names(in_order(offers, "job")) == ["large", "small"]


def test_a_host_that_failed_just_now_is_the_last_resort():
    assert names(in_order([offer("a"), offer("b", BUSY)], "job", last="a")) == ["b", "a"]
    assert names(in_order([offer("a")], "job", last="a")) == ["a"]


def test_many_jobs_at_once_do_not_all_choose_the_same_of_equal_hosts():
    offers = [offer(name) for name in ("a", "b", "c")]
    chosen = [in_order(offers, f"job-{n}")[0].host_name for n in range(60)]
    assert set(chosen) == {"a", "b", "c"}
    assert names(in_order(offers, "job-7")) == names(in_order(offers[::-1], "job-7"))


def test_a_job_leaves_a_queue_only_for_a_host_that_runs_it_at_once():
    offers = [
        offer("here"),
        offer("free", waiting=1),
        offer("promised", waiting=3.5),
        offer("busy", BUSY),
        offer("never", NEVER),
    ]
    assert names(free_elsewhere(offers, "here", Needs(cores=1), "job")) == ["free"]


def test_a_sample_is_another_for_each_job_and_the_same_for_one():
    hosts = [f"host-{n}" for n in range(100)]
    first = sample(hosts, "job-1", 8)
    assert len(set(first)) == 8
    assert first == sample(hosts, "job-1", 8)
    assert set(first) != set(sample(hosts, "job-2", 8))
    assert sorted(sample(hosts[:3], "job-1", 8)) == hosts[:3]


@pytest.mark.parametrize(
    ("in_queue", "longest"), [(False, LONGEST_PAUSE), (True, LONGEST_QUEUE_PAUSE)]
)
def test_pauses_double_up_to_the_longest(in_queue, longest):
    pauses = [pause(times, in_queue=in_queue) for times in range(40)]
    assert pauses[1] == 2 * pauses[0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == longest
