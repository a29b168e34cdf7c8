"""What the scenarios of failing hosts share: a ledger that moves, and the one assertion of all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from paglets import Message, PagletProxy, connect
from paglets.model.errors import PagletsError
from paglets.testing import DockerMesh, wait_until

PATIENCE = 40.0
"""Seconds everything has to come to rest after the last fault."""
NUMBERS = [1, 2, 3]
ALIVE = {"active", "inactive", "crashed", "unreadable"}
"""Statuses of a paglet that a host has for itself."""


def ledger_at(mesh: DockerMesh, host: str, *, ballast_bytes: int = 0) -> PagletProxy:
    """Return a ledger whose numbers are committed, with a state as large as asked for."""
    ledger = mesh.client(host).create("ledger:Ledger", host=host)
    if ballast_bytes:
        ledger.send(Message("fill", {"size": ballast_bytes}))
    for number in NUMBERS:
        ledger.send(Message("put", {"sender": "test", "number": number}))
    return ledger


@contextmanager
def dispatching(mesh: DockerMesh, ledger: PagletProxy, to: str) -> Iterator[None]:
    """Have a paglet dispatched meanwhile; how the call ends does not matter."""
    alpha = mesh["alpha"]

    def go() -> None:
        # A client of its own: those of a host that is killed are closed.
        with suppress(PagletsError), connect(alpha.url, alpha.key_file) as client:
            client.proxy(ledger.ref()).dispatch(to)

    caller = threading.Thread(target=go)
    caller.start()
    try:
        yield
    finally:
        caller.join(PATIENCE)
        assert not caller.is_alive(), "dispatch never answers"


def copies(mesh: DockerMesh, agent_id: str) -> dict[str, str]:
    """Return the status of each copy, tombstones left out, by host name."""
    found = {host.name: host.statuses().get(agent_id, "") for host in mesh}
    return {name: status for name, status in found.items() if status in ALIVE | {"moving"}}


def story(mesh: DockerMesh, agent_id: str) -> str:
    """Return what is known of a paglet, for a failure."""
    return "\n".join(
        f"{host.name} {host.statuses().get(agent_id)}\n{host.tail(8)}" for host in mesh
    )


def settled(mesh: DockerMesh, agent_id: str) -> str:
    """Wait until exactly one host has the paglet, active; return the host's name."""

    def is_settled() -> bool:
        found = copies(mesh, agent_id)
        owners = [name for name, status in found.items() if status in ALIVE]
        assert len(owners) <= 1, f"{agent_id} is doubled:\n{story(mesh, agent_id)}"
        return list(found.values()) == ["active"]

    wait_until(
        is_settled,
        timeout=PATIENCE,
        what=f"exactly one host has {agent_id}",
        interval=0.1,
        story=lambda: story(mesh, agent_id),
    )
    (owner,) = copies(mesh, agent_id)
    return owner


def assert_exactly_one(mesh: DockerMesh, ledger: PagletProxy) -> str:
    """Assert the one thing that holds after every fault; return the name of the paglet's host."""
    mesh.wait_converged()
    owner = settled(mesh, ledger.agent_id)
    for host in mesh:
        # From everywhere the same answer: whoever has a tombstone forwards, the others search.
        proxy = host.client.proxy(ledger.agent_id)
        reply = proxy.send(Message("numbers"), timeout=10.0, retry_for=PATIENCE)
        assert reply == {"test": NUMBERS}, story(mesh, ledger.agent_id)
    assert settled(mesh, ledger.agent_id) == owner
    return owner
