"""Jobs of the whole mesh, as their homes and the hosts that run them tell; for scripts and the CLI.

Each host knows its own part, so several may know of one job; `merged` says who is believed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from paglets.agent.contracts import ServiceOperation
from paglets.agent.servicehandle import ServiceHandle
from paglets.agent.services import Services
from paglets.model.errors import ConflictError, InvalidRequestError, NotFoundError, PagletsError
from paglets.system.compute_slots.contract import (
    CANCEL,
    COMPUTE_SLOTS,
    LIST,
    STATISTICS,
    WHY,
    HostQuery,
    JobInfo,
    JobName,
    JobPhase,
    JobQuery,
    SlotStatistics,
    WhyAnswer,
)

Q = TypeVar("Q")
R = TypeVar("R")

ANSWER_SECONDS = 5.0
"""Longest wait for the hosts, which are asked at once."""
FIRST_LOOK = 0.1
"""Seconds between the first looks whether a job has ended; they grow."""
LONGEST_LOOK = 2.0

_BELIEVED = (
    JobPhase.PLACING,
    JobPhase.QUEUED,
    JobPhase.RETURNING,
    JobPhase.RUNNING,
    JobPhase.CANCELLED,
    JobPhase.FAILED,
    JobPhase.DONE,
)
"""Where hosts differ, the later phase is right: the other has not heard of it yet."""


@dataclass(frozen=True)
class Told:
    """What hosts told, and which did not answer."""

    jobs: tuple[JobInfo, ...]
    """Open ones first, then by the time they were submitted."""
    silent: tuple[str, ...]
    """Names of hosts that did not answer."""


class MeshJobs:
    """Finds jobs wherever they are. Its calls block.

    Args:
        services: Of a paglet's context, or of a client.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def jobs(self, prefix: str = "") -> Told:
        """Return the jobs whose ids begin with `prefix`."""
        infos: list[JobInfo] = []
        silent: set[str] = set()
        pages = dict.fromkeys(self._hosts(), JobQuery(prefix))
        while pages:
            answers = self._ask(LIST, pages)
            pages = {}
            for host, page in answers.items():
                if isinstance(page, PagletsError):
                    silent.add(host)
                    continue
                infos += page.jobs
                if page.next is not None:
                    pages[host] = JobQuery(prefix, after=page.next)
        return Told(tuple(merged(infos)), tuple(sorted(silent)))

    def find(self, job_id: str) -> JobInfo:
        """Return a job by its id, or a beginning of it that no other has.

        Raises:
            NotFoundError: No host that answered knows it.
            InvalidRequestError: Several ids begin so.
        """
        told = self.jobs(job_id)
        exact = [info for info in told.jobs if info.job_id == job_id] or list(told.jobs)
        if len(exact) > 1:
            names = ", ".join(info.job_id for info in exact[:4])
            raise InvalidRequestError(f"{job_id!r} is the beginning of several jobs: {names}")
        if not exact:
            silent = f"; {', '.join(told.silent)} did not answer" if told.silent else ""
            raise NotFoundError(f"no host knows a job {job_id}{silent}", job_id=job_id)
        return exact[0]

    def wait(self, job_id: str, timeout: float) -> JobInfo:
        """Return a job once it has ended, or as it is after `timeout` seconds; raises as `find`."""
        deadline, pause = time.monotonic() + timeout, FIRST_LOOK
        while True:
            info, left = self.find(job_id), deadline - time.monotonic()
            if left <= 0 or info.phase.is_final or info.phase is JobPhase.RETURNING:
                return info
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_LOOK)

    def why(self, job_id: str) -> WhyAnswer:
        """Return why a job is not further, as the host says that knows most; raises as `find`."""
        answers = self._all(WHY, JobName(job_id))
        best = merged([answer.job for answer in answers])
        if not best:
            return WhyAnswer(self.find(job_id))
        return next(answer for answer in answers if answer.job == best[0])

    def cancel(self, job_id: str) -> None:
        """Have a job end, by all hosts that know it.

        Raises:
            NotFoundError: No host that answered knows it.
            ConflictError: It has ended already.
        """
        if not any(answer.is_known for answer in self._all(CANCEL, JobName(job_id))):
            info = self.find(job_id)
            raise ConflictError(f"job {job_id} has ended: {info.phase.value}", job_id=job_id)

    def statistics(self) -> tuple[SlotStatistics, ...]:
        """Return how full the hosts are that answer, by name."""
        found = self._all(STATISTICS, HostQuery())
        return tuple(sorted(found, key=lambda each: each.host_name))

    def _hosts(self) -> dict[str, ServiceHandle]:
        handles = self._services.lookup_all(COMPUTE_SLOTS)
        return {handle.record.host_name: handle for handle in handles}

    def _all(self, operation: ServiceOperation[Q, R], request: Q) -> list[R]:
        """Ask all hosts the same; return the answers of those that gave one."""
        answers = self._ask(operation, dict.fromkeys(self._hosts(), request))
        return [each for each in answers.values() if not isinstance(each, PagletsError)]

    def _ask(
        self, operation: ServiceOperation[Q, R], requests: Mapping[str, Q]
    ) -> dict[str, R | PagletsError]:
        """Ask hosts at once; return what each answered, or why it did not."""
        known = self._hosts()
        futures = {
            name: known[name].call_future(operation, request, timeout=ANSWER_SECONDS)
            for name, request in requests.items()
            if name in known
        }
        answers: dict[str, R | PagletsError] = {}
        for name, future in futures.items():
            try:
                answers[name] = future.result()
            except PagletsError as error:
                answers[name] = error
        return answers


def merged(infos: Sequence[JobInfo]) -> list[JobInfo]:
    """Return one entry a job: what the host says that knows most of it."""
    best: dict[str, JobInfo] = {}
    for info in infos:
        present = best.get(info.job_id)
        if present is None or _weight(info) > _weight(present):
            best[info.job_id] = info
    return sorted(
        best.values(), key=lambda info: (info.phase.is_final, info.submitted_at, info.job_id)
    )


def _weight(info: JobInfo) -> tuple[int, bool, float]:
    # The host of a slot knows it at first hand, a home by what it was told.
    return (_BELIEVED.index(info.phase), info.cores is not None, info.since)
