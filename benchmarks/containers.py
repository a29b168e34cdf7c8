"""Rows about the image and a host in a container; left out where no Docker engine answers."""

import asyncio
import time

from docker.models.containers import Container

from benchmarks.bench import Effort, NotMeasuredError
from benchmarks.figures import Figure, Goal, of_values
from paglets.model.errors import UnavailableError
from paglets.testing import wait_until
from paglets.testing.engine import engine, host_image
from paglets.testing.reaper import labels

SIZE = Goal("image", "size of the image", "MB", 160.0, "python:3.13-slim 117 MB")
START = Goal("container-start", "container start → healthy", "s", 3.0)
STOP = Goal("container-stop", "`docker stop`, exit 0", "s", 5.0, "10 s is docker's SIGKILL")

_PATIENCE = 60.0


async def container(effort: Effort) -> list[Figure]:
    """Measure the image, then start and stop hosts in containers of it."""
    return await asyncio.to_thread(_container, effort.count(6, least=2))


def _container(count: int) -> list[Figure]:
    try:
        client, image = engine(), host_image()
    except UnavailableError as error:
        raise NotMeasuredError(error.message) from error
    size = client.images.get(image).attrs["Size"] / 1e6
    starts, stops = [], []
    for _ in range(count):
        began = time.perf_counter()
        made = client.containers.run(image, labels=labels(), detach=True)
        try:
            _wait_healthy(made)
            starts.append(time.perf_counter() - began)
            began = time.perf_counter()
            made.stop(timeout=10)
            stops.append(time.perf_counter() - began)
            code = made.wait(timeout=10)["StatusCode"]
            if code != 0:
                raise RuntimeError(f"the host stopped with {code}: {made.logs().decode()[-500:]}")
        finally:
            made.remove(force=True, v=True)
    return [of_values(SIZE, [size]), of_values(START, starts), of_values(STOP, stops)]


def _wait_healthy(made: Container) -> None:
    def is_healthy() -> bool:
        made.reload()
        return bool(made.attrs["State"]["Health"]["Status"] == "healthy")

    wait_until(is_healthy, timeout=_PATIENCE, what="the container is healthy", interval=0.05)
