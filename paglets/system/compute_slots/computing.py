"""One attempt at a job: `compute()` in the thread of `run()`, its slot kept meanwhile.

An attempt counts from the commit before it; its outcome from the commit after it, and never twice.
Whoever is killed in between begins again from the last `checkpoint()`. Not here: getting the slot,
and what becomes of the outcome (`steps.py`).
"""

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Generic, TypeVar

from paglets.agent.paglet import Paglet
from paglets.agent.proxy import PagletProxy
from paglets.model.errors import (
    DeadlineError,
    PagletsError,
    StateError,
    StorageFullError,
    TooLargeError,
    UnavailableError,
)
from paglets.model.message import Message
from paglets.system.compute_slots.contract import (
    NUDGE,
    JobFailure,
    JobPhase,
    Nudge,
    SlotStatus,
)
from paglets.system.compute_slots.hosts import SlotHosts
from paglets.system.compute_slots.placing import pause
from paglets.system.compute_slots.record import JobState, JobTerms
from paglets.system.compute_slots.steps import Steps
from paglets.system.machine import read_text
from paglets.wire.codec import StateCodec
from paglets.wire.jsonvalues import decode_json_value, encode_reply

S = TypeVar("S", bound=JobState)

RESULT_LIMIT_BYTES = 960 * 1024
"""Largest result, as JSON: what fits into a message."""
TRACEBACK_LIMIT = 4000
"""Last characters of a traceback that are kept."""
HEADROOM_BYTES = 64 * 2**20
"""Memory beyond what a job asked for at which it gets a MemoryError."""
COMMIT_PAUSE = 5.0
"""Seconds between attempts to commit where the host cannot now, such as with a full disk."""
FILES_COUNTED = 10_000
"""Files in the work folder whose sizes are added up; with more of them none is counted."""


class Computing(Generic[S]):
    """One attempt at one job. Used once, in the thread of `run()`.

    Args:
        paglet: The job.
        compute: What its author wrote.
        retry_on: Exceptions after which another attempt is worth while.
        steps: Decides the outcome.
        hosts: Keeps the slot.
        terms: What the job asks for.
    """

    def __init__(
        self,
        paglet: Paglet[S],
        compute: Callable[[], object],
        retry_on: tuple[type[Exception], ...],
        *,
        steps: Steps[S],
        hosts: SlotHosts,
        terms: JobTerms,
    ) -> None:
        self._paglet = paglet
        self._compute = compute
        self._retry_on = retry_on
        self._steps = steps
        self._hosts = hosts
        self._terms = terms
        self._codec: StateCodec[S] = StateCodec.for_class(type(paglet.state))
        self._before = b""
        self._is_over = threading.Event()

    def run(self) -> None:
        """Compute and commit the outcome. Returns early, with nothing decided, when told to end."""
        self._begin()
        keeper = threading.Thread(target=self._keep_slot, name="lease", daemon=True)
        keeper.start()
        try:
            with memory_limit(self._terms.needs.memory_bytes):
                is_decided = self._attempt()
        finally:
            self._is_over.set()
            self._paglet.context.resources.remove("attempt")
        if is_decided:
            self._commit_outcome()

    def _begin(self) -> None:
        generation = self._steps.generation
        with self._paglet.locked_state() as state:
            state.job.attempts += 1
            state.job.begun_in = generation
            self._before = self._codec.encode(state)
        self._paglet.context.resources.register("attempt", self._interrupted)
        self._commit()

    def _interrupted(self) -> None:
        # The process ends in good order, to move or to sleep: no fault of this attempt.
        self._paglet.state.job.begun_in = 0

    def _attempt(self) -> bool:
        """Return whether an outcome was decided, or another attempt."""
        try:
            value = self._compute()
            if self._paglet.stopping:
                return False  # it was told to end: what it returns is no result
            return self._succeed(value)
        except Exception as error:  # the author's code: the job fails, its process does not
            if self._paglet.stopping:
                raise
            traceback.print_exception(error, file=sys.stderr)
            return self._fail(error)

    def _succeed(self, value: object) -> bool:
        data = encode_reply(value)
        if len(data) > RESULT_LIMIT_BYTES:
            raise TooLargeError(
                f"the result has {len(data)} bytes, over {RESULT_LIMIT_BYTES}: leave it in the "
                "state, or in a file, and return where it is"
            )
        return self._steps.end(JobPhase.DONE, result=decode_json_value(data))

    def _fail(self, error: Exception) -> bool:
        job = self._paglet.state.job
        if isinstance(error, self._retry_on) and job.failures + 1 < self._terms.max_attempts:
            with self._paglet.locked_state() as state:
                state.job.begun_in = 0
                state.job.retry_at = time.time() + pause(state.job.failures)
                state.job.failures += 1
            return True
        return self._steps.end(JobPhase.FAILED, failure=failure_of(error))

    def _commit_outcome(self) -> None:
        try:
            self._commit()
        except StateError as error:
            self._restore()
            job = self._paglet.state.job
            job.outcome = None  # it was never committed, so nobody has seen it
            self._steps.end(JobPhase.FAILED, failure=failure_of(error))
            self._commit()

    def _restore(self) -> None:
        """Make the author's fields what they were, since they cannot be kept as they are."""
        before = self._codec.decode(self._before)
        with self._paglet.locked_state() as state:
            for each in fields(before):
                if each.name != "job":
                    setattr(state, each.name, getattr(before, each.name))

    def _commit(self) -> None:
        while True:
            try:
                self._paglet.checkpoint()
            except (StorageFullError, DeadlineError, UnavailableError) as error:
                print(f"not committed yet: {error}", file=sys.stderr)  # noqa: T201 - its log
                if self._paglet.sleep(COMMIT_PAUSE):
                    return
            else:
                return

    def _keep_slot(self) -> None:
        """Renew the lease until the attempt is over; in a thread of its own."""
        folder = self._paglet.context.storage.work_dir()
        proxy = self._paglet.context.proxy
        while not self._is_over.wait(self._steps.lease_seconds / 3):
            answer = self._hosts.renew(memory_used(), size_of(folder))
            if answer is not None and answer.status is not SlotStatus.GRANTED:
                nudge(proxy)


def nudge(job: PagletProxy, *, is_cancelled: bool = False) -> None:
    """Have a job look how it stands; where it sleeps it is woken."""
    with contextlib.suppress(PagletsError):  # it is told again, and looks by itself
        job.send_oneway(Message.of(Nudge(is_cancelled), kind=NUDGE.name))


def failure_of(error: Exception) -> JobFailure:
    """Return an exception as the failure of a job."""
    text = "".join(traceback.format_exception(error))
    return JobFailure(type(error).__name__, str(error), text[-TRACEBACK_LIMIT:])


@contextlib.contextmanager
def memory_limit(memory_bytes: int) -> Iterator[None]:
    """Let this process take so much more memory than now; 0 for any amount.

    Beyond it, with some headroom, allocations fail with MemoryError. Only where the system counts a
    process's own memory, as Linux does.
    """
    status = read_text(Path("/proc/self/status"))
    data = [line.split() for line in status.splitlines() if line.startswith("VmData:")]
    if not memory_bytes or not data:
        yield
        return
    import resource  # not on every system

    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(data[0][1]) * 1024 + memory_bytes + HEADROOM_BYTES
    hard = before[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def memory_used() -> int:
    """Return the memory of this process in bytes, 0 where the system does not tell."""
    pages = read_text(Path("/proc/self/statm")).split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder, 0 where they are too many to count."""
    total = count = 0
    for root, _, names in os.walk(folder):
        count += len(names)
        if count > FILES_COUNTED:
            return 0
        for name in names:
            with contextlib.suppress(OSError):  # removed since
                total += (Path(root) / name).stat().st_size
    return total
