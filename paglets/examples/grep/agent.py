"""GrepAgent: clones searchers over the mesh, which tell it each match as they find it.

One class plays both parts, as in PerformanceBenchmarkAgent: who was created leads (`crew.py`), who
was cloned searches.
"""

import re
import time

from paglets import (
    ActivationEvent,
    CloneEvent,
    Message,
    Paglet,
    PagletProxyRef,
    PagletsError,
    handles,
)
from paglets.examples.crew import Leader, Phase, choose_hosts
from paglets.examples.grep.globs import parse_glob
from paglets.examples.grep.model import Catch, Found, GrepRow, GrepState, Hit, Tally
from paglets.examples.grep.searching import PROPERTY, Rules, Search

BATCH_HITS = 50
"""Hits sent at once."""
BATCH_SECONDS = 0.2
"""Longest wait of a hit for others to be sent with."""
SEND_SECONDS = 30.0
"""For how long a batch is sent again while the parent cannot be reached."""
PAGE_HITS = 400
"""Hits in one answer to who asked for the search: below the limit of a message."""


class GrepAgent(Paglet[GrepState]):
    """The packaged search; `paglets examples grep` creates it on the entry host."""

    def __init__(self) -> None:
        self._is_interrupted = False
        self._began = time.monotonic()
        self._leader = Leader(self)

    def on_clone(self, event: CloneEvent) -> None:
        """Become a searcher of the original."""
        self._is_interrupted = event.attempt > 1
        with self.locked_state() as state:
            state.parent = event.source
            state.rows, state.hits = [], []

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one: what was under way in it is gone."""
        del event  # whatever woke it
        self._is_interrupted = True

    def run(self) -> None:
        """Lead or search, and end."""
        parent = self.state.parent
        if parent is None:
            if not self._is_interrupted:
                self._lead()
        elif self._is_interrupted:
            reason = "its host or its process was started again"
            self._tell(parent, [], Tally(), is_done=True, reason=reason)
        else:
            self._search(parent)
        self.dispose()

    @handles("found")
    def found(self, after: int) -> Found:
        """Return the hits behind the first `after`; asked UNQUEUED."""
        self._leader.attendance.asked()
        helpers = self._leader.helpers()
        with self.locked_state() as state:
            page = state.hits[after : after + PAGE_HITS]
            is_done = state.is_done and after + len(page) >= len(state.hits)
            return Found(is_done, page, list(state.rows), helpers)

    @handles("stop")
    def stop(self) -> None:
        """End the searchers."""
        with self.locked_state() as state:
            state.is_stopping = True

    @handles(Catch)
    def catch(self, catch: Catch) -> None:
        """Take hits of a searcher; a batch that comes again after its end is not for us."""
        with self.locked_state() as state:
            for row in state.rows:
                if row.host == catch.host and not row.phase.is_final:
                    state.hits += catch.hits
                    row.tally, row.reason = catch.tally, catch.reason
                    row.phase = Phase.WORKING
                    if catch.is_done:
                        row.phase = Phase.FAILED if catch.reason else Phase.DONE

    def _lead(self) -> None:
        known = self.context.mesh.hosts(online_only=False)
        with self.locked_state() as state:
            state.rows = [
                GrepRow(host, Phase.FAILED if reason else Phase.PENDING, reason=reason)
                for host, reason in choose_hosts(state.plan, known).items()
            ]
        self._leader.lead()

    def _search(self, parent: PagletProxyRef) -> None:
        plan = self.state.plan
        rules = Rules.read(self.context.properties.get(PROPERTY))
        if rules.is_off:
            reason = "its owner lets nothing be searched"
            self._tell(parent, [], Tally(), is_done=True, reason=reason)
            return
        search = Search(
            self.context.host_name,
            re.compile(plan.pattern, re.IGNORECASE if plan.is_case_ignored else 0),
            rules,
            limits=(plan.most_matches, plan.most_bytes),
            stop=lambda: self.stopping or self._left() <= 0,
        )
        batch: list[Hit] = []
        sent_at = time.monotonic()
        for hit in search.hits([parse_glob(text) for text in plan.globs]):
            batch.append(hit)
            if len(batch) >= BATCH_HITS or time.monotonic() - sent_at >= BATCH_SECONDS:
                if not self._tell(parent, batch, search.tally):
                    return
                batch, sent_at = [], time.monotonic()
        is_late = self._left() <= 0
        reason = "too slow: the time for all of it is over" if is_late else ""
        self._tell(parent, batch, search.tally, is_done=True, reason=reason)

    def _tell(
        self,
        parent: PagletProxyRef,
        hits: list[Hit],
        tally: Tally,
        *,
        is_done: bool = False,
        reason: str = "",
    ) -> bool:
        """Send hits to the parent; return whether it took them."""
        message = Message.of(Catch(self.context.host_name, hits, tally, is_done, reason))
        seconds = max(1.0, min(SEND_SECONDS, self._left()))
        try:
            self.send(parent, message, timeout=seconds, retry_for=seconds)
        except PagletsError as error:
            print(f"hits to the parent: {error}")  # noqa: T201 - to the paglet's log
            return False
        return True

    def _left(self) -> float:
        return self.state.left - (time.monotonic() - self._began)
