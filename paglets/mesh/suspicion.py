"""One suspicion: who accuses a member, and when it will be declared dead.

Pure; the formula is `timing.suspicion_timeout`. The table holds one of these per suspect.
"""

from dataclasses import dataclass, field

from paglets.mesh.timing import (
    MeshTiming,
    confirmations_needed,
    suspicion_max,
    suspicion_min,
    suspicion_timeout,
)


@dataclass(slots=True)
class Suspicion:
    """A running suspicion. Times are seconds on this host's monotonic clock."""

    started: float
    needed: int
    """Confirmations after which it lasts no longer than `minimum`."""
    minimum: float
    maximum: float
    accusers: set[str] = field(default_factory=set)
    """Host ids; the first is who began, the others confirm."""

    @property
    def deadline(self) -> float:
        """When the suspect is declared dead unless it refutes."""
        confirmed = max(0, len(self.accusers) - 1)
        return self.started + suspicion_timeout(confirmed, self.needed, self.minimum, self.maximum)

    def confirm(self, accuser: str) -> bool:
        """Count an accuser; return whether that was news that shortens the suspicion."""
        if accuser in self.accusers or len(self.accusers) > self.needed:
            return False
        self.accusers.add(accuser)
        return True

    def delay(self, seconds: float) -> None:
        """Move the deadline: this host itself was not there to hear a refutation."""
        self.started += seconds


def begin_suspicion(timing: MeshTiming, hosts: int, accuser: str, now: float) -> Suspicion:
    """Return a suspicion that starts now, with `accuser` its first accuser."""
    return Suspicion(
        started=now,
        needed=confirmations_needed(timing, hosts),
        minimum=suspicion_min(timing, hosts),
        maximum=suspicion_max(timing, hosts),
        accusers={accuser},
    )
