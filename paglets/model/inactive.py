"""What an inactive paglet waits for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self


@dataclass(frozen=True, kw_only=True)
class DeactivationPolicy:
    """When a deactivated paglet is woken, and what becomes of its messages meanwhile."""

    activate_on_message: bool = True
    """An arriving message wakes it."""
    queue_messages: bool = True
    """Messages that do not wake it are stored with the record; else they fail as inactive."""
    activate_on_startup: bool = False
    """Its host wakes it at every start."""
    activate_at: datetime | None = None
    """Woken then, or at the first start of its host after that; needs a time zone."""

    def __post_init__(self) -> None:
        if self.activate_at is not None and self.activate_at.tzinfo is None:
            raise ValueError("activate_at needs a time zone, e.g. datetime.now(UTC) + ...")

    @classmethod
    def after(cls, delay: float, *, activate_on_message: bool = True) -> Self:
        """Return a policy that wakes the paglet `delay` seconds from now; a durable timer."""
        wake_at = datetime.now(UTC) + timedelta(seconds=delay)
        return cls(activate_on_message=activate_on_message, activate_at=wake_at)
