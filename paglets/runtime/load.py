"""How loaded this host is, as its peers are told. Pure but for one look at the machine.

Load per usable CPU in coarse steps: it changes rarely, and each change costs every host a record.
The steps are proportions, because a busy machine's load swings by more than an idle one's has.
`choice.py` compares them.
"""

import contextlib
import math
import os
from pathlib import Path

LOAD_IDLE = 0.25
"""Load per CPU below which steps are differences rather than proportions."""
LOAD_FACTOR = 1.5
"""From one step to the next, well above `LOAD_IDLE`."""
LOAD_STEP_MOST = 127
"""Where it is not told any more how much is too much; also what one byte holds."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def load_step(load: float, told: int | None = None) -> int:
    """Return a load per usable CPU in steps: 0 at rest, 4 where it is 1, 7 where it is 4.

    Args:
        load: Runnable threads per CPU.
        told: The step last told, which is kept while `load` is within three quarters of a step:
            at a border it would else be another one at every look.
    """
    steps = math.log1p(load / LOAD_IDLE) / math.log(LOAD_FACTOR)
    if told is not None and abs(steps - told) < 0.75:
        return told
    return min(LOAD_STEP_MOST, max(0, round(steps)))


def encode_load(step: int) -> bytes:
    """Return the payload of a load record."""
    return bytes([step])


def decode_load(payload: bytes) -> int:
    """Return the step in a load record; 0, as where nothing is known, if it is none."""
    return payload[0] if len(payload) == 1 else 0


def parse_quota(text: str) -> float | None:
    """Return the CPUs that a `cpu.max` of a cgroup allows; None for no limit."""
    quota, _, period = text.strip().partition(" ")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def load_per_cpu() -> float | None:
    """Return the load of the last minute per CPU this process may use; None where unknown."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return None
    has_affinity = hasattr(os, "sched_getaffinity")
    cpus = float(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)
    with contextlib.suppress(OSError):  # no cgroup v2 here: no quota known
        cpus = min(cpus, parse_quota(_QUOTA.read_text()) or cpus)
    return load / cpus
