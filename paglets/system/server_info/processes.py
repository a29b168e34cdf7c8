"""Processes of the machine that the host's user may see."""

import time

import psutil

from paglets.model.errors import InvalidRequestError
from paglets.system.server_info.contract import (
    PROCESS_LIMIT,
    Process,
    Processes,
    ProcessQuery,
)
from paglets.system.server_info.figures import Pattern, shown_command

_ATTRIBUTES = (
    "pid", "name", "cmdline", "username", "memory_info", "cpu_times", "create_time", "status",
)  # fmt: skip


def read_processes(query: ProcessQuery) -> Processes:
    """Return the processes that match, those largest in memory first.

    Raises:
        InvalidRequestError: The pattern is too long, or the limit out of bounds.
    """
    if not 1 <= query.limit <= PROCESS_LIMIT:
        raise InvalidRequestError(f"limit is from 1 to {PROCESS_LIMIT}, not {query.limit}")
    pattern, now = Pattern(query.pattern), time.time()
    found = []
    for process in psutil.process_iter(_ATTRIBUTES):
        told = process.info
        if pattern.matches(told["name"] or "", " ".join(told["cmdline"] or ())):
            found.append(_described(process, now))
    found.sort(key=lambda each: (-each.memory_bytes, each.pid))
    return Processes(tuple(found[: query.limit]), len(found))


def _described(process: psutil.Process, now: float) -> Process:
    """Describe a process by what was read of it; None where this user may not know."""
    told = process.info
    memory, times = told["memory_info"], told["cpu_times"]
    return Process(
        pid=told["pid"],
        name=shown_command([told["name"] or ""]),
        command=shown_command(told["cmdline"] or ()),
        user=told["username"] or "",
        memory_bytes=memory.rss if memory else 0,
        cpu_seconds=round(times.user + times.system, 2) if times else 0.0,
        age_seconds=round(max(0.0, now - told["create_time"]), 1) if told["create_time"] else 0.0,
        status=told["status"] or "",
    )
