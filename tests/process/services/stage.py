"""What the tests of services share: their agents, and who is found from where."""

import re
import time
from pathlib import Path

from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

AGENTS = Path(__file__).parents[2] / "agents" / "services"
"""Folder of the paglets these tests run."""
PATIENCE = 20.0
"""Seconds anything may take on a busy machine."""

PAGE = Path(__file__).parents[3] / "docs" / "services.md"


def blocks(language: str) -> list[str]:
    """Return the blocks of a language on the page about services."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def write_files(folder: Path) -> Path:
    """Write the page's files, named by their first line, into a folder and return it."""
    for block in blocks("python"):
        name, _, code = block.partition("\n")
        (folder / name.removeprefix("# ")).write_text(code)
    return folder


def hosts_of(host: LocalHost, name: str = "splitter") -> list[str]:
    """Return the hosts of the providers of a service as a host knows them, in order of name."""
    return sorted(body.host_name for body in host.observer.services() if body.name == name)


def wait_found(
    mesh: LocalMesh, *places: str, name: str = "splitter", least: bool = False
) -> dict[str, float]:
    """Wait until every host finds the providers on `places` and no others.

    Args:
        mesh: The hosts.
        places: Hosts of the providers.
        name: Of the service.
        least: Whether there may be others too.

    Returns:
        Seconds that each host took.
    """
    started, took = time.monotonic(), {}
    for host in mesh:
        if not host.is_running:
            continue

        def is_found(host: LocalHost = host) -> bool:
            found = hosts_of(host, name)
            return set(places) <= set(found) if least else found == sorted(places)

        wait_until(
            is_found,
            timeout=PATIENCE,
            interval=0.005,
            what=f"{host.name} finds {name} on {', '.join(places) or 'no host'}",
            story=lambda host=host: f"it finds it on {hosts_of(host, name)}",  # type: ignore[misc]  # default binds the loop's value
        )
        took[host.name] = round(time.monotonic() - started, 3)
    return took
