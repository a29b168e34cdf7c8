"""The Docker engine that container tests use, and the image of the host package.

Nothing is installed or pulled here: an engine answers or it does not. Needs the extra
`paglets-mesh[testing]`.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException, ImageNotFound

from paglets._version import __version__
from paglets.model.errors import UnavailableError

IMAGE_VARIABLE = "PAGLETS_IMAGE"
"""Names the image to test with; nothing is built then."""
BUILD_TIMEOUT = 900.0
"""Seconds for an image that has nothing in the build cache, on a slow network."""
_SOURCE = Path(__file__).parents[2]
_ANSWER_TIMEOUT = 60
"""Seconds one call to the engine may take; stopping a container takes as long as it does."""


@functools.cache
def engine() -> docker.DockerClient:
    """Return a client of the engine; one a process, and the answer, good or bad, is kept.

    Raises:
        UnavailableError: No engine answers.
    """
    try:
        client = docker.from_env(timeout=_ANSWER_TIMEOUT)
        client.ping()
    except DockerException as error:
        reason = str(error).partition("\n")[0][:200]
        raise UnavailableError(f"no Docker engine answers: {reason}") from error
    return client


def engine_host() -> str:
    """Return where published ports of the engine are reached from this process."""
    override = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE") or os.environ.get("TC_HOST")
    if override:
        return override
    address = urlsplit(os.environ.get("DOCKER_HOST", ""))
    return (
        address.hostname if address.scheme in {"tcp", "ssh"} and address.hostname else "127.0.0.1"
    )


def is_local() -> bool:
    """Whether published ports need not be reachable from any other machine."""
    return engine_host() == "127.0.0.1"


def host_image() -> str:
    """Return the name of an image with this version of paglets, built where the source is at hand.

    Raises:
        UnavailableError: No engine answers, or there is neither an image nor the source.
    """
    client = engine()
    named = os.environ.get(IMAGE_VARIABLE)
    if named:
        return named
    tag = f"paglets:{__version__}"
    if (_SOURCE / "docker" / "Dockerfile").is_file():
        build_args = {"VERSION": __version__}
        return build_image(_SOURCE, tag, dockerfile="docker/Dockerfile", build_args=build_args)
    try:
        client.images.get(tag)
    except ImageNotFound as error:
        raise UnavailableError(
            f"there is no image {tag}: build it from the source of paglets by "
            f"`docker build -f docker/Dockerfile -t {tag} .`, or name one by {IMAGE_VARIABLE}"
        ) from error
    return tag


def build_image(
    folder: Path,
    tag: str,
    *,
    dockerfile: str = "Dockerfile",
    build_args: dict[str, str] | None = None,
) -> str:
    """Build an image with the docker command, whose builder can do what the SDK's cannot.

    Args:
        folder: The build context.
        tag: The image's name.
        dockerfile: Relative to `folder`.
        build_args: Values of the Dockerfile's ARGs.

    Returns:
        `tag`.

    Raises:
        UnavailableError: The command is missing, or the build failed; the message has its end.
    """
    program = shutil.which("docker")
    if program is None:
        raise UnavailableError("the docker command is missing: images are built with it")
    pairs = [f"--build-arg={name}={value}" for name, value in (build_args or {}).items()]
    command = [program, "build", "-q", "-f", str(folder / dockerfile), "-t", tag, *pairs, "."]
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(f"image {tag} was not built:\n{done.stderr[-4000:]}")
    return tag
