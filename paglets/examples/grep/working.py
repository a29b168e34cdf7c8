"""The working part of GrepAgent: search this host and tell the leader each hit."""

import re
import time
from typing import TYPE_CHECKING

from paglets import Message, PagletsError
from paglets.examples.grep.globs import parse_glob
from paglets.examples.grep.model import Catch, Hit, Searched, Tally
from paglets.examples.grep.searching import PROPERTY, Rules, Search

if TYPE_CHECKING:
    from paglets.examples.grep.agent import GrepAgent

BATCH_HITS = 50
"""Hits sent at once."""
BATCH_SECONDS = 0.2
"""Longest wait of a hit for others to be sent with."""
SEND_SECONDS = 30.0
"""For how long a batch is sent again while the leader cannot be reached."""


class Searcher:
    """Searches one host. Lives in the worker's process, in the thread of `run()`.

    Args:
        paglet: The worker.
    """

    def __init__(self, paglet: "GrepAgent") -> None:
        self._paglet = paglet
        self._began = time.monotonic()

    def search(self) -> Searched:
        """Search, tell all hits, and return what was done."""
        plan, context = self._paglet.state.plan, self._paglet.context
        rules = Rules.read(context.properties.get(PROPERTY))
        if rules.is_off:
            return Searched(Tally(), "its owner lets nothing be searched")
        search = Search(
            context.host_name,
            re.compile(plan.pattern, re.IGNORECASE if plan.is_case_ignored else 0),
            rules,
            limits=(plan.most_matches, plan.most_bytes),
            stop=lambda: self._paglet.stopping or self._left() <= 0,
        )
        batch: list[Hit] = []
        sent_at = time.monotonic()
        for hit in search.hits([parse_glob(text) for text in plan.globs]):
            batch.append(hit)
            if len(batch) >= BATCH_HITS or time.monotonic() - sent_at >= BATCH_SECONDS:
                self._tell(batch, search.tally)
                batch, sent_at = [], time.monotonic()
        self._tell(batch, search.tally)
        is_late = self._left() <= 0
        return Searched(search.tally, "too slow: the time for all of it is over" if is_late else "")

    def _tell(self, hits: list[Hit], tally: Tally) -> None:
        """Send hits to the leader.

        Raises:
            PagletsError: It cannot be reached: nobody waits for more.
        """
        leader = self._paglet.state.fan_out.leader
        if not hits or leader is None:
            return
        message = Message.of(Catch(self._paglet.context.host_name, hits, tally))
        seconds = max(1.0, min(SEND_SECONDS, self._left()))
        try:
            self._paglet.send(leader, message, timeout=seconds, retry_for=seconds)
        except PagletsError as error:
            print(f"hits to the leader: {error}")  # noqa: T201 - to the paglet's log
            raise

    def _left(self) -> float:
        return self._paglet.state.fan_out.seconds - (time.monotonic() - self._began)
