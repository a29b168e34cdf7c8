"""Messages of ComputeSlotsAgent to the jobs, and what comes of them: some are not there any more.

Nothing here waits in the thread of a handler, nor touches the agent's State.
"""

import threading
from collections.abc import Callable, Sequence

from paglets.agent.future import FutureReply
from paglets.agent.proxies import Proxies
from paglets.model.errors import PagletNotFoundError, PagletsError
from paglets.model.message import JsonValue, Message
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots import contract as ops

TELL_SECONDS = 10.0
"""Longest wait for a job to take note."""


class Nudger:
    """Tells jobs to look or to end, and collects those whose paglets are gone; for any thread.

    Args:
        proxies: Of the agent's context.
        found_gone: Told, in a thread of its own, that `take_gone` has something new.
    """

    def __init__(self, proxies: Proxies, found_gone: Callable[[], None]) -> None:
        self._proxies = proxies
        self._found_gone = found_gone
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None

    def take_gone(self) -> list[str]:
        """Return the ids of jobs found gone since the last call."""
        with self._lock:
            gone, self._gone = sorted(self._gone), set()
        return gone

    def tell(self, job: PagletProxyRef, *, is_cancelled: bool) -> None:
        """Nudge a job, without waiting for it."""
        message = Message.of(ops.Nudge(is_cancelled), kind=ops.NUDGE.name)
        proxy = self._proxies.resolve(job)
        proxy.send_future(message, timeout=TELL_SECONDS).add_done_callback(self._was_told)

    def look_for(self, jobs: Sequence[PagletProxyRef]) -> None:
        """Find out which paglets are gone; where a host hangs only this look does.

        While one look goes on no other begins: who is silent will be looked for again.
        """
        if jobs and (self._looking is None or not self._looking.is_alive()):
            self._looking = threading.Thread(target=self._look, args=(jobs,), daemon=True)
            self._looking.start()

    def _look(self, jobs: Sequence[PagletProxyRef]) -> None:
        for job in jobs:
            try:
                self._proxies.resolve(job).info()
            except PagletNotFoundError:
                self._note_gone(job.agent_id)
            except (PagletsError, OSError):
                continue  # its host is away, or this process is being ended

    def _was_told(self, reply: FutureReply[JsonValue]) -> None:
        try:
            reply.result()
        except PagletNotFoundError:
            self._note_gone(reply.agent_id)
        except PagletsError:
            return  # it sleeps again, has moved, or its host is away: it is told again

    def _note_gone(self, job_id: str) -> None:
        with self._lock:
            self._gone.add(job_id)
        self._found_gone()
