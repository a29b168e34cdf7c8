"""What every change to a paglet of one host works on: the rows, the processes, the log.

Made once by the composition root (`host/parts.py`). A part takes from it what it needs, in its
constructor, and keeps no reference to the rest.
"""

from dataclasses import dataclass

from paglets.config.settings import Timeouts
from paglets.runtime.activity import Activity
from paglets.runtime.commits import Commits
from paglets.runtime.idempotency import Once
from paglets.runtime.quiescing import Quiescer
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.runtime.tasks import Tasks
from paglets.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Common:
    """The parts of one host that its other parts share."""

    roster: Roster
    """The paglets of this host, in memory."""
    store: Store
    """Their rows, on disk."""
    commits: Commits
    """Writes both, in this order: disk, memory."""
    activity: Activity
    """Starts and ends their processes."""
    quiescer: Quiescer
    """Brings a process to rest, and takes its state."""
    once: Once
    """What calls with an idempotency key came to."""
    recorder: Recorder
    """The event log."""
    tasks: Tasks
    """Owns what goes on in the background."""
    timeouts: Timeouts
