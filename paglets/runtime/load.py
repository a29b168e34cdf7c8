"""How loaded this host is, as its peers are told. Pure but for one look at the machine.

Load per usable CPU in coarse steps: it changes rarely, and each change costs every host a record.
`choice.py` compares it.
"""

import contextlib
import os
from pathlib import Path

LOAD_STEPS_PER_CPU = 4
"""Steps of load that are told apart."""
LOAD_STEP_MOST = 127
"""Where it is not told any more how much is too much; also what one byte holds."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def load_step(load: float, told: int | None = None) -> int:
    """Return a load per usable CPU in steps.

    Args:
        load: Runnable threads per CPU.
        told: The step last told, which is kept while `load` is within three quarters of a step:
            at a border it would else be another one at every look.
    """
    steps = load * LOAD_STEPS_PER_CPU
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
