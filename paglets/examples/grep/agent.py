"""GrepAgent: clones searchers over the mesh, which tell it each match as they find it.

One class plays both parts, as in PerformanceBenchmarkAgent: who was created leads (`crew.py`), its
clones search (`working.py`).
"""

from paglets import ActivationEvent, Paglet, Share, handles
from paglets.examples.crew import Crew, Phase, phase_of, reason_of
from paglets.examples.grep.model import Catch, Found, GrepRow, GrepState, Hit, Searched, Tally
from paglets.examples.grep.working import Searcher

PAGE_HITS = 400
"""Hits in one answer to who asked for the search: below the limit of a message."""


class GrepAgent(Paglet[GrepState]):
    """The packaged search; `paglets examples grep` creates it on the entry host."""

    def __init__(self) -> None:
        self._crew: Crew[Searched] = Crew(self)
        self._hits: list[Hit] = []
        self._tallies: dict[str, Tally] = {}

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one."""
        del event  # whatever woke it
        self._crew.interrupt()

    def run(self) -> None:
        """Lead, and end."""
        self._crew.lead(self.search)
        self.dispose()

    def search(self) -> Searched:
        """Search this host; called in each worker."""
        return Searcher(self).search()

    @handles("found")
    def found(self, after: int) -> Found:
        """Return the hits behind the first `after`; asked UNQUEUED."""
        self._crew.asked()
        is_done = self._crew.is_done
        page = self._hits[after : after + PAGE_HITS]
        is_end = is_done and after + len(page) >= len(self._hits)
        rows = [row_of(share, self._tallies.get(share.host)) for share in self._crew.shares()]
        return Found(is_end, page, rows, self._crew.workers())

    @handles("stop")
    def stop(self) -> None:
        """End the searchers."""
        self._crew.stop()

    @handles(Catch)
    def catch(self, catch: Catch) -> None:
        """Take hits of a searcher; a batch that comes after its end is not for us."""
        share = next((each for each in self._crew.shares() if each.host == catch.host), None)
        if share is not None and not share.phase.is_final:
            self._hits += catch.hits
            self._tallies[catch.host] = catch.tally


def row_of(share: Share[Searched], tally: Tally | None) -> GrepRow:
    """Return how far a host is.

    Args:
        share: What the leader knows of it.
        tally: What its searcher told last.
    """
    row = GrepRow(share.host, phase_of(share), reason=reason_of(share), worker=share.worker)
    if tally is not None:
        row.tally = tally
    if share.result is not None:
        row.tally, row.reason = share.result.tally, share.result.reason
        row.phase = Phase.FAILED if row.reason else Phase.DONE
    return row
