"""What the tests of real hosts in a mesh share."""

from collections.abc import Iterable
from pathlib import Path

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Timeouts
from paglets.model.errors import PagletsError
from paglets.model.message import JsonValue, Message
from paglets.model.refs import HostRef
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

AGENTS = Path(__file__).parents[1] / "agents" / "mesh"
"""Folder of the paglets these tests run."""
PATIENCE = 20.0
"""Seconds anything may take on a busy machine."""
TIMEOUTS = Timeouts(
    hook=5.0, quiesce=2.0, shutdown=2.0, connect=0.3, offer=3.0, outcome=1.0, retry_most=0.3
)
"""Short enough that a case takes a second or two."""


def wanderer(mesh: LocalMesh, at: str = "alpha", **options: str) -> PagletProxy:
    """Create a paglet of these tests."""
    return mesh.client(at).create("wanderer:Wanderer", **options)


def ask(proxy: PagletProxy, kind: str, **args: JsonValue) -> JsonValue | PagletProxy:
    """Send a message and return the reply."""
    return proxy.send(Message(kind, args), timeout=PATIENCE)


def places(proxy: PagletProxy) -> JsonValue:
    """Return where a paglet has been."""
    return proxy.send(Message("places"), timeout=PATIENCE)


def seen(mesh: LocalMesh, observer: str, name: str) -> list[HostRef]:
    """Return every entry that one host has for a name; empty if it does not answer."""
    try:
        listed = mesh.client(observer).hosts(online_only=False)
    except PagletsError:
        return []
    return [host for host in listed if host.name == name]


def status(mesh: LocalMesh, observer: str, name: str) -> str:
    """Return what one host believes of the newest host of a name."""
    found = seen(mesh, observer, name)
    return found[0].status if found else "unknown"


def wait_status(
    mesh: LocalMesh, name: str, wanted: Iterable[str], *, timeout: float = PATIENCE
) -> None:
    """Wait until every other running host believes one of `wanted` of the host `name`."""
    others = [host.name for host in mesh if host.is_running and host.name != name]
    allowed = set(wanted)
    wait_until(
        lambda: all(status(mesh, other, name) in allowed for other in others),
        timeout=timeout,
        what=f"{', '.join(others)} see {name} as {' or '.join(sorted(allowed))}",
        story=lambda: str({other: seen(mesh, other, name) for other in others}),
    )


def said_of(mesh: LocalMesh, observer: str, name: str) -> list[str]:
    """Return the mesh events that one host has recorded about another, in order."""
    events = mesh[observer].observer.events(kind="mesh")
    return [event.text for event in events if event.detail.get("host") == name]
