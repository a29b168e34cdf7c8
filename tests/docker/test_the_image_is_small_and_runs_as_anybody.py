"""The image by itself: its size, what is in it, who may run it, and what its volume keeps."""

import subprocess
import time
from contextlib import suppress

import pytest
from docker.errors import NotFound

from paglets._version import __version__
from paglets.testing import wait_until
from paglets.testing.reaper import labels

MIB = 1000 * 1000  # as docker counts
MOST_BYTES = 160 * MIB


@pytest.fixture
def run(paglets_engine, paglets_image):
    """Starts a container of the image, removed with its volumes when the test is over."""
    started = []

    def run_(*command: str, **options):
        made = paglets_engine.containers.run(
            paglets_image, list(command), labels=labels(), detach=True, **options
        )
        started.append(made)
        return made

    yield run_
    for made in started:
        with suppress(NotFound):
            made.remove(force=True, v=True)


def healthy(container) -> bool:
    container.reload()
    assert container.status in {"created", "running"}, container.logs().decode()
    return container.attrs["State"]["Health"]["Status"] == "healthy"


def wait_healthy(container, timeout: float = 30.0) -> None:
    wait_until(
        lambda: healthy(container),
        timeout=timeout,
        what="the container is healthy",
        interval=0.05,
        story=lambda: container.logs().decode(),
    )


def sh(container, script: str) -> str:
    code, output = container.exec_run(["sh", "-c", script])
    assert code == 0, output.decode()
    return output.decode().strip()


def test_it_keeps_to_its_size(paglets_engine, paglets_image, tell):
    size = paglets_engine.images.get(paglets_image).attrs["Size"]
    tell(f"the image has {size / MIB:.0f} MB of {MOST_BYTES / MIB:.0f} MB")
    assert size <= MOST_BYTES


def test_it_says_what_it_is(paglets_engine, paglets_image):
    image = paglets_engine.images.get(paglets_image)
    assert image.labels["org.opencontainers.image.version"] == __version__
    for each in ("title", "description", "revision", "created", "source", "licenses"):
        assert image.labels[f"org.opencontainers.image.{each}"]
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["Volumes"]) == ["/var/lib/paglets"]
    assert config["Healthcheck"]["StartInterval"] == 1_000_000_000


def test_it_is_healthy_soon_and_its_probe_loads_no_http_stack(run, tell):
    begun = time.monotonic()
    container = run("--name", "alpha")
    wait_healthy(container)
    tell(f"from docker run to healthy: {time.monotonic() - begun:.2f} s")
    probe = "python -SE -X importtime /usr/local/bin/healthcheck.py 2>&1"
    assert "aiohttp" not in sh(container, probe)
    assert "asyncio" not in sh(container, probe)


def test_neither_compiler_nor_installer_is_left_in_it(run):
    container = run("sleep", "60")
    assert sh(container, "which pip pip3 gcc cc strip || true") == ""
    assert "__pycache__" in sh(container, "ls /opt/paglets/lib/python3*/site-packages/paglets")
    assert sh(container, "cat /proc/1/comm") == "dumb-init"


def test_it_runs_hardened_as_any_user(run):
    container = run(
        user="4711:4712",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    wait_healthy(container)
    assert sh(container, "id -u; paglets mesh hosts --json | grep -c alive") == "4711\n1"


def test_a_host_keeps_the_name_its_volume_has(run, paglets_engine):
    volume = paglets_engine.volumes.create(labels=labels())
    try:
        mounts = {volume.name: {"bind": "/var/lib/paglets", "mode": "rw"}}
        first = run(volumes=mounts, hostname="first")
        wait_healthy(first)
        first.stop(timeout=10)
        second = run(volumes=mounts, hostname="second")
        wait_healthy(second)
        assert "paglets host first listens" in second.logs().decode()
        for each in (first, second):
            each.remove(force=True)
    finally:
        volume.remove(force=True)


def test_a_command_of_paglets_needs_no_paglets_before_it(paglets_image):
    words = ["docker", "run", "--rm", paglets_image, "agent", "--help"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.startswith("Usage: paglets agent")


def test_another_port_is_known_to_its_probe(run):
    wait_healthy(run("--port", "9123"))
