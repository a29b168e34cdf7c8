"""How many requests there were, for `/metrics`."""

from collections import Counter


class Tally:
    """Counts answers by route and status; one a server."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()

    def count(self, route: str, status: int) -> None:
        """Count one answer."""
        self.answers[route, status] += 1
