"""A paglet that tells whether its module was imported before its process began."""

import os

from paglets import Paglet, handles

IMPORTED_BY = os.getpid()


class Preloaded(Paglet[None]):
    """Knows which process imported its module."""

    @handles("was_preloaded")
    def was_preloaded(self) -> bool:
        """Whether the forkserver imported this module, and this process did not."""
        return os.getpid() != IMPORTED_BY
