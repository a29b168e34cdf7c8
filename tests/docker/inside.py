"""Asking a host by the commands in its own container, as its operator does there."""

import json

from docker.models.containers import Container


def paglets_in(container: Container, line: str) -> str:
    """Return what a command of paglets prints to stdout in a container; it must succeed."""
    code, (out, err) = container.exec_run(["paglets", *line.split()], demux=True)
    assert code == 0, f"{line}\n{(err or b'').decode()}"
    return (out or b"").decode()


def online_in(container: Container) -> list[dict]:
    """Return the hosts that the one in this container sees online, by name."""
    found = json.loads(paglets_in(container, "mesh hosts --online --json"))
    return sorted(found, key=lambda host: host["name"])


def agents_in(container: Container) -> dict[str, dict]:
    """Return all paglets of the mesh by id, tombstones left out."""
    found = json.loads(paglets_in(container, "agent list --json"))
    return {agent["agent_id"]: agent for agent in found if agent["status"] != "moved"}


def created_in(container: Container, host: str) -> str:
    """Create a tour at a host, asked in this container; return its id."""
    line = f"agent create paglets.examples.tour:Tour --host {host} --json"
    return json.loads(paglets_in(container, line))["agent_id"]


def places_of(container: Container, agent_id: str) -> list[str]:
    """Return where a tour has looked around: its state."""
    state = json.loads(paglets_in(container, f"agent state {agent_id} --json"))
    return [sight["host"] for sight in state["sights"]]
