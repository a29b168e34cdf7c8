"""How far a journal has been read, by somebody who follows it over restarts of its host.

Pure. Each entry is told once and in order; what was dropped is counted; a journal that was begun
anew, because its host's data folder was, is read from its beginning.
"""

from dataclasses import dataclass, replace

from paglets.system.user_info.contract import Entry, Page, Reading


@dataclass(frozen=True)
class Told:
    """What a page has for somebody who knows what came before it."""

    entries: list[Entry]
    missed: int = 0
    """Entries before these that nobody can read any more."""
    is_new_journal: bool = False
    """The journal is another one than before; ask again, it begins at 1."""
    more: bool = False
    """There is more already."""


class Place:
    """The place of a reader in one journal.

    Args:
        after: Number to begin after; None: where the reader's acknowledgement ends.
    """

    def __init__(self, after: int | None = None) -> None:
        self._after = after
        self._journal = ""

    def question(self, wanted: Reading) -> Reading:
        """Return what to ask next; `wanted` says of which kinds."""
        return replace(wanted, after=self._after)

    def take(self, page: Page) -> Told:
        """Note an answer and return what is new in it."""
        if self._journal not in {"", page.journal}:
            self._journal, self._after = page.journal, 0
            return Told([], is_new_journal=True, more=True)
        known = page.position if self._after is None else self._after
        self._journal, self._after = page.journal, max(known, page.next)
        new = [entry for entry in page.entries if entry.sequence > known]
        return Told(new, page.missed, more=page.more)
