"""Who gets a slot: order, turns, leases, limits, cancelling, reasons."""

import pytest

from paglets.model.errors import FullError, InvalidRequestError
from paglets.system.compute_slots import slots as slots_module
from paglets.system.compute_slots.contract import SlotStatus
from paglets.system.compute_slots.needs import BlockerKind, describe
from paglets.system.compute_slots.slots import SlotTable, SlotTimes
from tests.unit.system.compute_slots.support import MIB, request, room

TIMES = SlotTimes(lease=60.0, patience=30.0, aging=600.0, silence=3600.0)
FOUR = room(4)


class Host:
    """A table with a clock."""

    def __init__(self, host=FOUR):
        self.room = host
        self.table = SlotTable()
        self.now = 1000.0

    def ask(self, job_id, **wanted):
        status = self.table.ask(request(job_id, **wanted), self.room, self.now)
        self.admit()
        return self.table.status(job_id) if status is not SlotStatus.REFUSED else status

    def enter(self, job_id, **wanted):
        """Let a job ask while nothing is granted yet."""
        return self.table.ask(request(job_id, **wanted), self.room, self.now)

    def admit(self):
        return [each.request.job_id for each in self.table.admit(self.room, TIMES, self.now)]

    def end(self, job_id):
        self.table.release(job_id)
        return self.admit()

    def later(self, seconds):
        self.now += seconds
        for slot in self.table.slots.values():
            slot.seen_at = self.now  # everybody speaks
        return self.admit()

    def why(self, job_id):
        return self.table.why(job_id, self.room, TIMES, self.now)


@pytest.fixture
def host():
    return Host()


def test_what_fits_is_granted_at_once_and_what_does_not_waits(host):
    assert host.ask("a", cores=3) is SlotStatus.GRANTED
    assert host.ask("b", cores=2) is SlotStatus.QUEUED
    assert host.ask("c", cores=1) is SlotStatus.GRANTED


def test_the_oldest_that_fits_is_granted_when_one_ends(host):
    host.ask("a", cores=3)
    host.ask("blocker", cores=1)
    for job_id, cores in (("b", 4), ("c", 3), ("d", 3)):
        assert host.ask(job_id, cores=cores) is SlotStatus.QUEUED
    assert host.end("a") == ["c"]


def test_a_higher_priority_is_served_first_and_the_older_one_within_a_priority(host):
    host.ask("busy", cores=4)
    for job_id, priority in (("low", 1), ("old", 5), ("young", 5), ("high", 9)):
        host.ask(job_id, cores=4, priority=priority)
    served = []
    running = "busy"
    while running:
        (running,) = host.end(running) or ("",)
        served.append(running)
    assert served == ["high", "old", "young", "low", ""]


def test_asking_again_changes_neither_place_nor_grant(host):
    host.ask("busy", cores=4)
    host.ask("first", cores=4)
    host.ask("second", cores=4)
    assert host.ask("first", cores=4) is SlotStatus.QUEUED
    assert host.end("busy") == ["first"]
    assert host.ask("first", cores=4) is SlotStatus.GRANTED
    assert host.table.use().cores == 4


@pytest.mark.parametrize(
    "wanted",
    [{"cores": 5}, {"memory_bytes": 2000 * MIB}, {"temp_bytes": 2000 * MIB}, {"tags": ("gpu",)}],
)
def test_what_can_never_fit_is_refused_at_once(host, wanted):
    assert host.ask("a", **wanted) is SlotStatus.REFUSED
    assert host.table.slots == {}


def test_a_waiting_job_that_no_longer_can_fit_is_refused_when_it_asks_again(host):
    host.ask("busy", cores=4)
    host.ask("a", cores=4)
    host.room = room(2)
    assert host.ask("a", cores=4) is SlotStatus.REFUSED
    assert list(host.table.slots) == ["busy"]


def test_the_whole_table_has_a_limit(host, monkeypatch):
    monkeypatch.setattr(slots_module, "QUEUE_LIMIT", 2)
    host.ask("a")
    host.ask("b")
    with pytest.raises(FullError, match="2 jobs"):
        host.ask("c")
    assert host.ask("a") is SlotStatus.GRANTED


def test_a_big_job_is_passed_by_small_ones_only_until_its_patience_ends(host):
    host.ask("one", cores=1)
    host.ask("big", cores=4)
    assert host.ask("two", cores=1) is SlotStatus.GRANTED
    host.later(TIMES.patience)
    assert host.ask("three", cores=1) is SlotStatus.QUEUED
    assert host.end("one") == []
    assert host.end("two") == ["big"]
    assert host.end("big") == ["three"]


def test_who_leaves_room_for_the_next_one_is_granted_all_the_same():
    host = Host(room(5))
    host.ask("running", cores=4)
    host.ask("big", cores=4)
    host.later(TIMES.patience)
    assert host.ask("small", cores=1) is SlotStatus.GRANTED
    assert host.ask("another", cores=1) is SlotStatus.QUEUED
    assert host.end("small") == ["another"]
    assert host.end("running") == ["big"]


def test_those_that_pass_the_next_one_leave_room_for_it_together():
    host = Host(room(6))
    host.ask("running", cores=3)
    host.ask("big", cores=5)
    host.later(TIMES.patience)
    assert host.ask("small", cores=1) is SlotStatus.GRANTED
    assert host.ask("another", cores=1) is SlotStatus.QUEUED
    assert host.end("running") == ["big"]


def test_who_waits_for_anything_but_jobs_holds_nobody_up(host):
    host.room = room(4, load_per_cpu=2.0)
    host.ask("calm", cores=4, max_load_per_cpu=1.0)
    host.later(TIMES.patience)
    assert host.ask("other", cores=1) is SlotStatus.GRANTED


def test_who_waits_for_memory_that_others_than_jobs_use_holds_nobody_up(host):
    host.room = room(4, memory_free_bytes=10 * MIB)
    host.ask("large", memory_bytes=100 * MIB, priority=9)
    host.later(TIMES.patience)
    assert host.ask("other", cores=1) is SlotStatus.GRANTED


def test_waiting_raises_the_priority_until_nobody_comes_before(host):
    host.ask("busy", cores=4)
    host.ask("low", cores=4, priority=1)
    host.later(9 * TIMES.aging)
    host.ask("urgent", cores=4, priority=10)
    assert host.end("busy") == ["low"]


def test_the_turn_of_the_next_one_ends_when_it_leaves(host):
    host.ask("one", cores=1)
    host.ask("big", cores=4)
    host.later(TIMES.patience)
    host.ask("small", cores=1)
    assert host.end("big") == ["small"]
    assert host.table.next_up == ""


def test_a_slot_is_freed_when_its_job_has_said_nothing_for_the_length_of_a_lease(host):
    host.ask("silent", cores=4)
    host.ask("waiting", cores=4)
    host.now += TIMES.lease - 1
    assert host.table.expire(TIMES, host.now) == []
    host.now += 1
    assert [each.request.job_id for each in host.table.expire(TIMES, host.now)] == ["silent"]
    assert host.table.renew("silent", (0, 0), host.now) is SlotStatus.UNKNOWN
    assert host.admit() == ["waiting"]


def test_a_renewal_keeps_the_slot(host):
    host.ask("a", cores=4)
    for _ in range(5):
        host.now += TIMES.lease - 1
        assert host.table.renew("a", (0, 0), host.now) is SlotStatus.GRANTED
        assert host.table.expire(TIMES, host.now) == []


def test_a_place_in_the_queue_is_kept_for_long(host):
    host.ask("busy", cores=4)
    host.ask("asleep", cores=4)
    host.now += TIMES.silence - 1
    host.table.renew("busy", (0, 0), host.now)
    assert host.table.expire(TIMES, host.now) == []
    host.now += 1
    assert [each.request.job_id for each in host.table.expire(TIMES, host.now)] == ["asleep"]


def test_leases_and_places_outlive_the_time_in_which_their_host_was_away(host):
    host.ask("running", cores=4)
    host.ask("waiting", cores=4)
    host.now += 10 * TIMES.silence
    host.table.restarted(host.now)
    assert host.table.expire(TIMES, host.now) == []
    assert host.table.status("running") is SlotStatus.GRANTED
    assert host.table.status("waiting") is SlotStatus.QUEUED


def test_a_waiting_job_that_is_cancelled_is_granted_nothing(host):
    host.ask("busy", cores=4)
    host.ask("a", cores=4)
    assert host.table.cancel("a")
    assert host.ask("a", cores=4) is SlotStatus.CANCELLED
    assert host.end("busy") == []
    assert host.table.release("a")
    assert host.table.status("a") is SlotStatus.UNKNOWN


def test_a_running_job_that_is_cancelled_keeps_its_cores_until_it_has_gone(host):
    host.ask("a", cores=4)
    host.table.cancel("a")
    assert host.table.renew("a", (0, 0), host.now) is SlotStatus.CANCELLED
    assert host.ask("b", cores=1) is SlotStatus.QUEUED
    assert host.end("a") == ["b"]


def test_cancelling_what_is_unknown_says_so(host):
    assert not host.table.cancel("nobody")
    assert not host.table.release("nobody")


def test_memory_not_taken_yet_is_not_granted_twice(host):
    host.room = room(4, memory_free_bytes=500 * MIB)
    host.ask("a", memory_bytes=400 * MIB)
    assert host.ask("b", memory_bytes=200 * MIB) is SlotStatus.QUEUED
    host.table.renew("a", (400 * MIB, 0), host.now)
    host.room = room(4, memory_free_bytes=250 * MIB)
    assert host.admit() == ["b"]


def test_why_names_what_is_held_and_by_whom(host):
    host.ask("x", cores=2)
    host.ask("a", cores=4)
    (found,) = host.why("a")
    assert describe(found, host.table.holders(found.kind)) == (
        "needs 4 cores, 2 of 4 are free until job x is over"
    )


def test_why_of_one_that_is_passed_by_turn_names_who_is_served_first(host):
    host.ask("one", cores=1)
    host.ask("big", cores=4)
    host.later(TIMES.patience)
    host.ask("small", cores=1)
    (found,) = host.why("small")
    assert (found.kind, found.missing) == (BlockerKind.ORDER, ("big",))
    assert [each.kind for each in host.why("big")] == [BlockerKind.CORES]


def test_why_of_who_does_not_wait_is_nothing(host):
    host.ask("a")
    assert host.why("a") == ()
    assert host.why("nobody") == ()


def test_only_jobs_that_take_memory_hold_memory(host):
    host.ask("light")
    host.ask("heavy", memory_bytes=900 * MIB)
    host.ask("scratch", temp_bytes=900 * MIB)
    assert host.table.holders(BlockerKind.MEMORY) == ["heavy"]
    assert host.table.holders(BlockerKind.TEMP) == ["scratch"]
    assert host.table.holders(BlockerKind.CORES) == ["light", "heavy", "scratch"]
    assert host.table.holders(BlockerKind.LOAD) == []


def test_a_job_has_a_priority_from_one_to_ten():
    with pytest.raises(InvalidRequestError, match="1 to 10"):
        request("a", priority=0)
