"""Where and how a paglet moves: epochs, tickets and targets."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from paglets.model.enums import ArrivalMode, require_enum
from paglets.model.refs import HostRef


@dataclass(frozen=True, kw_only=True)
class TransferTicket:
    """Options of one dispatch or clone.

    Retries concern the check that precedes a move; once the check has passed, the rules of the
    move hold: it is repeated until the target has answered.
    """

    destination: str | HostRef
    """A host name, a HostRef, or a URL."""
    timeout: float = 10.0
    """Seconds for one attempt of the check, and to wait for the outcome afterwards."""
    retries: int = 0
    """Further attempts of the check where the target cannot be reached."""
    retry_interval: float = 0.25
    """Seconds between attempts."""
    required_capabilities: tuple[str, ...] = ()
    """The target must have all of these, else it refuses."""
    expected_code_version: str | None = None
    """The target must run exactly this code version; None means the source's own."""
    arrival_mode: ArrivalMode = ArrivalMode.ACTIVATE
    """Whether the paglet is started at the target or stored inactive."""

    def __post_init__(self) -> None:
        require_enum(self.arrival_mode, ArrivalMode, "arrival_mode")
        if self.timeout <= 0 or self.retries < 0 or self.retry_interval < 0:
            raise ValueError("timeout must be above 0, retries and retry_interval not below 0")


Target: TypeAlias = str | HostRef | TransferTicket
"""What verbs that move take: a host name, a HostRef, a URL, or a ticket."""


def ticket_for(target: Target) -> TransferTicket:
    """Return `target` as a ticket, with defaults where it is not one."""
    return target if isinstance(target, TransferTicket) else TransferTicket(destination=target)


class PeerAddress(NamedTuple):
    """Where a host was last known to be. The id decides, the rest helps to find it."""

    host_id: str
    name: str
    url: str
