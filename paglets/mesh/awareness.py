"""How healthy this host believes itself to be (Lifeguard's local health).

Pure. A host that is slow or badly connected blames others wrongly; the score makes it slower to.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Awareness:
    """Score from 0 (healthy) to `limit - 1`; one owner, the protocol engine."""

    limit: int
    """Number of scores; the highest stretches probes this many times."""
    score: int = 0

    def apply(self, delta: int) -> None:
        """Add `delta` (successes are negative), kept within the range."""
        self.score = min(max(self.score + delta, 0), self.limit - 1)
