"""A paglet that goes by name, for tests of the mesh."""

import threading
from dataclasses import dataclass, field

from paglets import (
    HostNotFoundError,
    Message,
    Paglet,
    PagletsError,
    TransferError,
    TransferTicket,
    handles,
)


@dataclass
class WandererState:
    """Where it has been."""

    places: list[str] = field(default_factory=list)
    failure: str = ""


class Wanderer(Paglet[WandererState]):
    """Moves, copies itself and waits as it is told, by names of hosts."""

    def on_creation(self, event: object) -> None:
        """Note the first place."""
        self.state.places.append(self.context.host_name)

    def on_arrival(self, event: object) -> None:
        """Note the place."""
        self.state.places.append(self.context.host_name)

    def on_clone(self, event: object) -> None:
        """Note the place."""
        self.state.places.append(self.context.host_name)

    @handles("go")
    def go(self, to: str, capabilities: list[str] | None = None, version: str | None = None) -> str:
        """Move; return why not if it stays."""
        ticket = TransferTicket(
            destination=to,
            required_capabilities=tuple(capabilities or ()),
            expected_code_version=version,
        )
        try:
            self.dispatch(ticket)
        except TransferError as error:
            return f"{error.reason}: {error.message}"

    @handles("dispatch")
    def leave(self, to: str) -> None:
        """Move to a host by its name alone."""
        self.dispatch(to)

    @handles("clone")
    def copy(self, to: str) -> str:
        """Clone by a host's name alone; return the clone's id."""
        return self.clone(to).agent_id

    @handles("create")
    def create(self, at: str) -> str:
        """Create another one at a host; return its id or why there is none."""
        try:
            return self.context.create(Wanderer, host=at).agent_id
        except PagletsError as error:
            return error.message

    @handles("wait")
    def wait(self, name: str, timeout: float) -> str:
        """Wait for a host; return its URL or why there is none."""
        try:
            return self.context.mesh.wait_for_host(name, timeout).url
        except HostNotFoundError as error:
            return f"not found: {error.message}"

    @handles("look")
    def look(self, name: str) -> str | None:
        """Return a host's URL as this host knows it."""
        host = self.context.mesh.lookup(name)
        return None if host is None else host.url

    @handles("linger")
    def linger(self, seconds: float) -> None:
        """Be busy."""
        self.lingers = True
        threading.Event().wait(seconds)

    @handles("lingers")
    def is_lingering(self) -> bool:
        """Return whether it is busy; asked by an UNQUEUED message."""
        return getattr(self, "lingers", False)

    @handles("places")
    def places(self) -> list[str]:
        """Return where it has been."""
        return self.state.places

    @handles("tell")
    def tell(self, to: str, agent_id: str) -> object:
        """Ask a paglet of another host where it has been."""
        return self.send(self.context.proxies.get(agent_id, host=to), Message("places"))
