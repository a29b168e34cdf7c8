"""Named places in the code where a test can make this process die, stall or fail.

A failpoint stands between two steps of a protocol whose crash safety is claimed, such as "after
MOVING is committed, before the offer is sent". Armed by the environment variable
`PAGLETS_FAILPOINTS`, for example

    move.after_moving=kill9;store.commit=enospc*1;offer.before_send=pause:5@3

`kill9` ends this process by SIGKILL, `pause:SECONDS` stalls, `raise` raises `FailpointError`,
`enospc` raises `OSError(ENOSPC)`. `*N` acts on N hits only, `@N` from the Nth hit on.
With `PAGLETS_FAILPOINT_LOG=FILE` each hit is appended there before it acts, so that a test can
wait for one. Where nothing is armed a failpoint is one look at a global.

Not here: what is tested. The lowest layer: it imports nothing of paglets and anybody imports it.
"""

import errno
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

logger = logging.getLogger(__name__)

FAILPOINTS: dict[str, str] = {
    "store.commit": "All writes of a group are applied, nothing is synced: just before COMMIT.",
    "store.after_commit": "The group is on disk, those who wait for it have not been told.",
    "spool.write": "Before a piece of a body is written to its part file in the spool.",
    "spool.before_fsync": "A body is written completely, nothing of it is synced.",
    "spool.after_rename": "A body is synced under its final name; no row names it yet.",
    "move.before_quiesce": "The check has passed, the paglet still runs (step 2).",
    "move.after_quiesce": "State is taken and the child exits; the row is still ACTIVE.",
    "move.before_moving": "The envelope is encoded, MOVING is not committed yet.",
    "move.moving_commit": "Inside the transaction that writes MOVING.",
    "move.after_moving": "MOVING is on disk, nothing has been sent (step 3).",
    "offer.before_send": "At the source, before an attempt of PUT /transfers/{id}.",
    "offer.half_sent": "At the source, a part of the offer's body has been sent.",
    "offer.after_send": "At the source, the body is sent, no answer has been read.",
    "arrival.received": "At the target, the whole body is in the spool, unchecked.",
    "arrival.before_checks": "At the target, before class, size, version and digest are checked.",
    "arrival.before_accepted": "At the target, all checks passed, nothing is committed.",
    "arrival.accepted_commit": "Inside the transaction that writes ACCEPTED, record and row.",
    "arrival.after_accepted": "ACCEPTED is on disk: the target owns the paglet.",
    "arrival.before_start": "At the target, before the child of an accepted paglet is forked.",
    "arrival.before_answer": "At the target, before the outcome is answered.",
    "move.got_accepted": "At the source, `accepted` is read, the row is still MOVING (step 4).",
    "move.moved_commit": "Inside the transaction that writes the tombstone MOVED.",
    "move.after_moved": "MOVED is on disk, what arrived since is not handed over.",
    "settle.before_send": "Before an attempt of POST /transfers/{id}/settled.",
    "clone.after_cloning": "The CLONING row is on disk, nothing has been sent.",
    "create.after_commit": "A new paglet's row is on disk, its creator has no answer.",
    "resident.after_commit": "The row of a new resident is on disk, asleep; it has never run.",
    "deactivate.before_commit": "State is taken and the child exits, INACTIVE is not written.",
    "deactivate.after_commit": "INACTIVE is on disk, the caller has no answer.",
    "activate.before_start": "An inactive paglet is to run, its child is not forked.",
}
"""Every failpoint by name: where in which step it stands."""

_ENTRY = re.compile(
    r"(?P<name>[a-z_.]+)=(?P<action>[a-z0-9]+)(:(?P<seconds>\d+(\.\d+)?))?"
    r"(?:\*(?P<times>\d+)|@(?P<start>\d+))*"
)


class FailpointError(Exception):
    """Raised by a failpoint armed with `raise`; never seen where none is armed."""


class FailpointAction(StrEnum):
    """What an armed failpoint does."""

    KILL9 = "kill9"
    PAUSE = "pause"
    RAISE = "raise"
    ENOSPC = "enospc"


@dataclass(frozen=True, slots=True)
class Arming:
    """One entry of `PAGLETS_FAILPOINTS`."""

    action: FailpointAction
    seconds: float = 0.0
    """Length of a pause."""
    first: int = 1
    """The first hit that acts, counted from 1."""
    times: int | None = None
    """How many hits act from there on; None means all."""

    def acts_on(self, hit: int) -> bool:
        """Return whether the `hit`th hit, counted from 1, is to act."""
        return hit >= self.first and (self.times is None or hit < self.first + self.times)


class _Armed:
    """What is armed in this process, and how often each failpoint was hit."""

    def __init__(self, armings: dict[str, Arming], log: Path | None) -> None:
        self._armings = armings
        self._log = log
        self._hits: dict[str, int] = {}
        self._lock = threading.Lock()

    def hit(self, name: str) -> Arming | None:
        """Count and record a hit; return what is to be done now."""
        if name not in FAILPOINTS:
            raise FailpointError(f"failpoint {name!r} is not declared in paglets/failpoints.py")
        arming = self._armings.get(name)
        with self._lock:
            count = self._hits[name] = self._hits.get(name, 0) + 1
            acting = arming if arming is not None and arming.acts_on(count) else None
            if self._log is not None:
                self._record(self._log, f"{name} {count} {acting.action if acting else '-'}\n")
        return acting

    @staticmethod
    def _record(log: Path, line: str) -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


_armed: _Armed | None = None


def parse_failpoints(text: str) -> dict[str, Arming]:
    """Return the armings of a `PAGLETS_FAILPOINTS` value.

    Raises:
        ValueError: An entry has another shape, or names no declared failpoint or action.
    """
    armings: dict[str, Arming] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"failpoint {entry!r}: write name=action[:seconds][*times][@first]")
        name = match["name"]
        if name not in FAILPOINTS:
            raise ValueError(
                f"failpoint {name!r} does not exist; there are {', '.join(FAILPOINTS)}"
            )
        if name in armings:
            raise ValueError(f"failpoint {name!r} is armed twice")
        armings[name] = _parse_arming(entry, match)
    return armings


def _parse_arming(entry: str, match: re.Match[str]) -> Arming:
    try:
        action = FailpointAction(match["action"])
    except ValueError:
        choices = ", ".join(FailpointAction)
        raise ValueError(f"failpoint {entry!r}: the action is one of {choices}") from None
    if (action is FailpointAction.PAUSE) != (match["seconds"] is not None):
        raise ValueError(f"failpoint {entry!r}: pause, and nothing else, takes :seconds")
    return Arming(
        action=action,
        seconds=float(match["seconds"] or 0),
        first=int(match["start"] or 1),
        times=int(match["times"]) if match["times"] else None,
    )


def arm(text: str, *, log: Path | None = None) -> None:
    """Arm this process's failpoints anew and forget former hits; tests call it.

    Args:
        text: As in `PAGLETS_FAILPOINTS`; empty arms nothing.
        log: File to which every hit is appended as `name count action`, action `-` if it passes.

    Raises:
        ValueError: `text` is not valid.
    """
    global _armed  # noqa: PLW0603 - a process-wide switch that costs nothing while it is off
    armings = parse_failpoints(text)
    _armed = _Armed(armings, log) if armings or log is not None else None


def disarm() -> None:
    """Switch all failpoints of this process off."""
    arm("")


def arm_from_environment(environ: Mapping[str, str] = os.environ) -> None:
    """Arm what `PAGLETS_FAILPOINTS` says; called once when a host or forkserver starts.

    Raises:
        ValueError: It is not valid; the process should not start.
    """
    text = environ.get("PAGLETS_FAILPOINTS", "")
    log = environ.get("PAGLETS_FAILPOINT_LOG")
    arm(text, log=Path(log) if log else None)
    if text:
        logger.warning("failpoints armed, this process is meant to fail: %s", text)


def failpoint(name: str) -> None:
    """Do what is armed for `name`, else nothing; a pause blocks this thread.

    Raises:
        FailpointError: Armed with `raise`, or `name` is not declared.
        OSError: ENOSPC, armed with `enospc`.
    """
    if _armed is not None:
        arming = _armed.hit(name)
        if arming is not None:
            time.sleep(_act(name, arming))


async def failpoint_async(name: str) -> None:
    """Do what is armed for `name`, else nothing; a pause lets the event loop go on.

    Raises:
        FailpointError: Armed with `raise`, or `name` is not declared.
        OSError: ENOSPC, armed with `enospc`.
    """
    if _armed is not None:
        arming = _armed.hit(name)
        if arming is not None:
            import asyncio  # here: the forkserver and pure modules load this module without it

            await asyncio.sleep(_act(name, arming))


def _act(name: str, arming: Arming) -> float:
    """Kill or raise; return the seconds to pause."""
    match arming.action:
        case FailpointAction.KILL9:
            os.kill(os.getpid(), signal.SIGKILL)
        case FailpointAction.RAISE:
            raise FailpointError(f"failpoint {name} raised as armed")
        case FailpointAction.ENOSPC:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"failpoint {name}")
        case FailpointAction.PAUSE:
            pass
    return arming.seconds
