"""Removes what a run of container tests made, also when the run was killed.

Everything made carries the label of its run. Beside the tests a small process waits for their
end: its standard input is a pipe that only the tests hold, so however they end, it reads the end
of file and sweeps. Not in a container, so it needs no image.
"""

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import uuid
from collections.abc import Callable

from docker.errors import APIError, NotFound

from paglets.testing.engine import engine

LABEL = "org.paglets.testing.run"
"""On every container, network and volume; the value names the run."""
MESH_LABEL = "org.paglets.testing.mesh"
"""On what belongs to one mesh, or to a host of its own."""
PROJECT_LABEL = "com.docker.compose.project"
"""Compose labels what it makes itself."""
_SWEEP_TIMEOUT = 60.0
"""Seconds a process that ends waits for what it left to be removed; it goes on all the same."""


@functools.cache
def run_id() -> str:
    """Return the name of this run, and see to it that its end is noticed."""
    name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    watch(f"{LABEL}={name}")
    return name


def labels(mesh: str = "") -> dict[str, str]:
    """Return the labels of what is made in this run, for a mesh if it has a name."""
    return {LABEL: run_id(), **({MESH_LABEL: mesh} if mesh else {})}


def watch(label: str) -> None:
    """Have everything with a label removed once this process has ended."""
    program = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "paglets.testing.reaper", label],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(_end, program)


def _end(watcher: subprocess.Popen[bytes]) -> None:
    """At an orderly end of this process, wait until all is swept."""
    assert watcher.stdin is not None
    watcher.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        watcher.wait(_SWEEP_TIMEOUT)


def sweep(label: str) -> None:
    """Remove all containers, networks and volumes with a label."""
    client, wanted = engine(), {"label": label}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        _remove(functools.partial(container.remove, force=True, v=True))
    for network in client.networks.list(filters=wanted):
        _remove(network.remove)
    for volume in client.volumes.list(filters=wanted):
        _remove(functools.partial(volume.remove, force=True))


def _remove(remove: Callable[[], object]) -> None:
    try:
        remove()
    except NotFound:
        pass  # somebody else was quicker
    except APIError as error:
        sys.stderr.write(f"not removed: {error}\n")


def main(label: str) -> int:
    """Wait for the end of standard input, then sweep; return the exit code."""
    sys.stdin.buffer.read()
    sweep(label)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
