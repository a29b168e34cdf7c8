"""Who reads the pipe: somebody always does, whatever the lane is busy with."""

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from paglets.child.pipe import HostPipe
from paglets.child.reading import Reading
from paglets.child.watchdog import Watchdog
from paglets.wire.calls import Queued, ToChild, encode_call
from paglets.wire.frames import encode_frame
from tests.unit.child.fakehost import WAIT, wait_until


class Lane:
    """A reading whose lane is a thread of the test's, led by hand."""

    def __init__(self) -> None:
        self._host, self._channel = socket.socketpair()
        self.pipe = HostPipe(self._channel)
        self.taken: queue.SimpleQueue[ToChild] = queue.SimpleQueue()
        self.crashes: list[BaseException] = []
        self.watchdog = Watchdog()
        self.reading = Reading(
            self.pipe,
            self.taken.put,
            self.watchdog,
            end=lambda: None,
            crash=self.crashes.append,
        )

    def say(self, count: int) -> None:
        """Send a frame, as the host."""
        self._host.sendall(encode_frame(encode_call(Queued(count=count))))

    def heard(self) -> int:
        """Return what was read next."""
        call = self.taken.get(timeout=WAIT)
        assert isinstance(call, Queued)
        return call.count

    def lead_once(self) -> None:
        """Wait, as the lane, for one more call."""
        before = self.taken.qsize()
        assert self.reading.lead(lambda: self.taken.qsize() > before, WAIT)

    def rests(self) -> bool:
        """Whether the stand-in looks after the lane no more."""
        return not self.reading._is_watching and not self.reading._bell.is_set()

    def close(self) -> None:
        self.reading.stop()
        self.pipe.close()
        self._host.close()
        self._channel.close()


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane()
    yield made
    made.close()
    assert made.crashes == []


def test_while_the_lane_works_another_reads(lane: Lane) -> None:
    lane.reading.begin_job()
    lane.say(1)
    assert lane.heard() == 1


def test_while_the_lane_works_on_after_a_long_wait_another_reads_too(lane: Lane) -> None:
    lane.reading.begin_job()
    answer = threading.Thread(target=lambda: (wait_until(lane.rests), lane.say(1)))
    answer.start()
    lane.lead_once()
    answer.join()
    assert lane.heard() == 1
    # The lane is at its author's code again, and does not wait for anything.
    lane.say(2)
    assert lane.heard() == 2


@pytest.mark.parametrize("is_lane_busy", [True, False], ids=["stand-in", "lane"])
def test_whoever_reads_tells_what_takes_too_long(lane: Lane, is_lane_busy: bool) -> None:
    told = threading.Event()
    if is_lane_busy:
        lane.reading.begin_job()
        with lane.watchdog.watch(0.01, told.set):
            assert told.wait(WAIT)
    else:
        with lane.watchdog.watch(0.01, told.set):
            assert lane.reading.lead(told.is_set, WAIT)


def test_who_waits_already_learns_of_a_watch_that_begins_elsewhere(lane: Lane) -> None:
    told = threading.Event()
    leading = threading.Thread(target=lane.reading.lead, args=(told.is_set, WAIT))
    leading.start()
    wait_until(lambda: lane.reading._is_leading)
    with lane.watchdog.watch(0.01, told.set):
        assert told.wait(WAIT / 2)
    lane.pipe.wake()
    leading.join(WAIT)


def test_a_watch_that_is_over_in_time_starts_no_thread(lane: Lane) -> None:
    before = threading.active_count()
    for _ in range(10):
        with lane.watchdog.watch(60.0, list):
            assert threading.active_count() == before
