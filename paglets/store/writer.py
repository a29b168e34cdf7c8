"""The one writer: a thread that commits whatever has been asked for meanwhile as one group.

While one group is synced the next collects, so that many concurrent commits share a sync. Each
commit of a group has a savepoint of its own, so that a stale one takes no other along; callers are
told when the whole group is on disk. Not here: what a write does (`apply.py`).
"""

import asyncio
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from paglets.failpoints import FailpointError, failpoint
from paglets.model.errors import DamagedError, InternalError, StorageFullError, UnavailableError
from paglets.store.apply import SpoolChanges
from paglets.store.ballast import Ballast, is_disk_full

logger = logging.getLogger(__name__)

GROUP_LIMIT = 512
"""Most commits in one transaction: bounds what a failed COMMIT has to be repeated for."""

PATIENCE = 0.05
"""Seconds that jobs of which nobody waits for the end wait for company."""

_FULL_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # how a user's disk quota shows
    sqlite3.SQLITE_IOERR_SHMSIZE,
}


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One commit under way."""

    work: Callable[[], SpoolChanges]
    """Applies it inside the transaction; run in the writer thread, again if it is repeated."""
    essential: bool
    """Whether the ballast may be given up for it."""
    label: str | None
    """Failpoint to pass at the end of its savepoint."""
    future: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop
    is_patient: bool = False
    """Whether it waits up to `PATIENCE` for another to share a sync with."""


Result: TypeAlias = SpoolChanges | Exception
"""What became of a job: its changes are on disk, or nothing of it is."""


class _RolledBackError(Exception):
    """Nothing of the group's transaction was done, because of `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class GroupWriter:
    """Owns the writing connection and the thread that uses it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ballast: Ballast,
        on_commit: Callable[[SpoolChanges], None],
    ) -> None:
        self._sql = connection
        self._ballast = ballast
        self._on_commit = on_commit
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self.transactions = 0
        """Transactions committed since the start; each is one sync."""
        self.commits = 0
        """Commits that are on disk since the start."""
        self.failure: str | None = None
        """Why nothing is written any more, None while all is well."""
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a commit; its future is resolved on its loop.

        Raises:
            UnavailableError: The store is closed.
        """
        with self._lock:
            if self._is_closed:
                raise UnavailableError("the host is stopping: its store is closed")
            self._jobs.put(job)

    def close(self, *, timeout: float) -> None:
        """Write what is queued, then end the thread; returns within `timeout` seconds.

        Raises:
            UnavailableError: The disk did not take it in time; the connection stays open.
        """
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._jobs.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise UnavailableError(f"the store's disk has not answered for {timeout} s")

    def _serve(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._next_group()
            try:
                results = self._write(group)
            except Exception as error:  # the thread's border: a defect must reach the callers
                logger.exception("store writer failed")
                self._rollback()
                self._fail(f"a defect: {error!r}")
                results = [InternalError(f"the store failed: {error!r}")] * len(group)
            self._tell(group, results)

    def _next_group(self) -> tuple[list[Job], bool]:
        """Return all that is queued, waiting for a first one, and whether it is the end."""
        group: list[Job] = []
        deadline = math.inf
        while len(group) < GROUP_LIMIT:
            try:
                job = self._next_job(group, deadline)
            except queue.Empty:
                break
            if job is None:
                return group, True
            if not group:
                deadline = time.monotonic() + PATIENCE
            group.append(job)
        return group, False

    def _next_job(self, group: Sequence[Job], deadline: float) -> Job | None:
        """Return the next job for `group`, None at the end; `queue.Empty` if it is complete."""
        if not group:
            return self._jobs.get()
        if all(job.is_patient for job in group):
            return self._jobs.get(timeout=max(0.0, deadline - time.monotonic()))
        return self._jobs.get_nowait()

    def _write(self, group: Sequence[Job]) -> list[Result]:
        """Commit `group`, giving up the ballast for its essential jobs where there is no room."""
        has_ballast = self._ballast.ensure()
        served = [job for job in group if has_ballast or job.essential]
        results = dict(zip(served, self._attempt(served), strict=True))
        starved = [
            job for job in served if job.essential and isinstance(results[job], StorageFullError)
        ]
        if starved and self._ballast.give_up():
            results.update(zip(starved, self._attempt(starved), strict=True))
        return [results.get(job) or _no_room("only settlements are written now") for job in group]

    def _attempt(self, group: Sequence[Job]) -> list[Result]:
        """Commit `group` in one transaction; where that has no room, each job in its own."""
        if not group:
            return []
        if self.failure is not None:
            return [_failed(self.failure)] * len(group)
        try:
            return self._transaction(group)
        except _RolledBackError as error:
            if len(group) == 1:
                return [_job_error(error.cause)]
            return [result for job in group for result in self._attempt([job])]

    def _transaction(self, group: Sequence[Job]) -> list[Result]:
        is_committing = False
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            results = [self._savepoint(job) for job in group]
            failpoint("store.commit")
            is_committing = True
            self._sql.execute("COMMIT")
        except (sqlite3.Error, OSError, FailpointError) as error:
            self._rollback()
            if is_committing and not _is_full(error):
                # after a failed sync nobody knows what is on disk: only a restart reads it anew
                self._fail(str(error))
                return [_failed(str(error))] * len(group)
            raise _RolledBackError(error) from error
        failpoint("store.after_commit")
        self.transactions += 1
        for result in results:
            if isinstance(result, SpoolChanges):
                self.commits += 1
                self._on_commit(result)
        return results

    def _savepoint(self, job: Job) -> Result:
        self._sql.execute("SAVEPOINT job")
        try:
            result = job.work()
            if job.label is not None:
                failpoint(job.label)
        except Exception as error:  # the job's border: forwarded to its caller
            if not self._sql.in_transaction:  # SQLite rolled the whole group back by itself
                raise _RolledBackError(error) from error
            self._sql.execute("ROLLBACK TO job")
            self._sql.execute("RELEASE job")
            return _job_error(error)
        self._sql.execute("RELEASE job")
        return result

    def _fail(self, reason: str) -> None:
        self.failure = reason
        logger.critical("store failed, nothing is written until a restart error=%s", reason)

    def _rollback(self) -> None:
        try:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._fail(f"a rollback failed: {error}")

    @staticmethod
    def _tell(group: Sequence[Job], results: Sequence[Result]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Job, Result]]] = {}
        for job, result in zip(group, results, strict=True):
            by_loop.setdefault(job.loop, []).append((job, result))
        for loop, told in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, told)
            except RuntimeError:  # the loop is closed: those who waited are gone with it
                logger.warning("store commits ended after their event loop count=%d", len(told))


def _resolve(told: Sequence[tuple[Job, Result]]) -> None:
    for job, result in told:
        if isinstance(result, SpoolChanges):
            if not job.future.done():
                job.future.set_result(None)
        elif not job.future.done():
            job.future.set_exception(result)
        else:
            logger.warning("store commit of a cancelled caller failed error=%s", result)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return is_disk_full(error)
    return isinstance(error, sqlite3.Error) and (
        getattr(error, "sqlite_errorcode", None) in _FULL_CODES
    )


def _job_error(error: Exception) -> Exception:
    if _is_full(error):
        return _no_room(str(error))
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return UnavailableError("another program holds the host's store: end it, then try again")
    if isinstance(error, sqlite3.DatabaseError | OSError):
        return DamagedError(f"the host's store failed: {error}")
    return error


def _no_room(reason: str) -> StorageFullError:
    return StorageFullError(
        f"the disk of this host's data folder is full ({reason}): free some room and try again"
    )


def _failed(reason: str) -> DamagedError:
    return DamagedError(f"this host's store takes no writes since its disk failed: {reason}")
