"""A paglet that tells whether its module was imported before its process began."""

import os

from paglets import Paglet, handles

IMPORTED_BY = os.getpid()
EXAMINED_BY: list[int] = []


def _examined() -> type[int]:
    EXAMINED_BY.append(os.getpid())
    return int


class Preloaded(Paglet[None]):
    """Knows which process imported its module."""

    @handles("was_preloaded")
    def was_preloaded(self) -> bool:
        """Whether the forkserver imported this module, and this process did not."""
        return os.getpid() != IMPORTED_BY

    @handles("examined_by")
    def examined_by(self, others: "_examined()" = 0) -> list[int]:  # type: ignore[valid-type]
        """Return the processes that read this annotation."""
        return EXAMINED_BY
