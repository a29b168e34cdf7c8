"""The lines a demonstration mesh greets its owner with, once it is complete.

Asked for by `PAGLETS_GREET` in compose.yaml; of no use to hosts that are run by hand. The lines are
commands as they are to be typed beside that file; the container tests type them.
"""

from collections.abc import Callable

from paglets.mesh.gossip import Mesh

_LOOK_TIMEOUT = 5.0
"""Seconds between two looks at a mesh in which nothing changes."""


async def greet(
    mesh: Mesh, count: int, *, key_id: str | None, url: str, say: Callable[[str], None]
) -> None:
    """Wait until `count` hosts are online, then tell who they are and what to try; once.

    Args:
        mesh: As this host sees it.
        count: Hosts to wait for, this one included.
        key_id: The mesh's key; None without one.
        url: Where this host is reached from outside its container.
        say: Told each line.
    """
    while len(mesh.usable_hosts()) < count:
        await mesh.wait_change(_LOOK_TIMEOUT)
    names = sorted(host.name for host in mesh.usable_hosts())
    for line in lines(names, key_id=key_id, url=url):
        say(line)


def lines(names: list[str], *, key_id: str | None, url: str) -> list[str]:
    """Return the greeting; every indented line is a command."""
    key = "without a key" if key_id is None else f"with key {key_id}"
    return [
        f"{len(names)} hosts are online {key}: {', '.join(names)}",
        "look at them:",
        "  docker compose exec alpha paglets mesh hosts",
        "send a paglet to all of them:",
        "  docker compose exec alpha paglets examples tour",
        "measure them:",
        "  docker compose run --rm perf",
        "use them from this machine:",
        "  docker compose exec -T alpha paglets key export | paglets key import",
        f"  paglets --url {url} mesh hosts",
    ]
