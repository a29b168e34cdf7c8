"""Tells the paglet that wants to know how a job ended."""

import sys
import time
from typing import TypeVar

from paglets.agent.paglet import Paglet
from paglets.model.errors import HandlerError, NotFoundError, NotHandledError, PagletsError
from paglets.model.message import Message
from paglets.system.compute_slots.contract import JobReport
from paglets.system.compute_slots.placing import pause
from paglets.system.compute_slots.record import JobState

S = TypeVar("S", bound=JobState)

REPORT_SECONDS = 120.0
"""How long hosts repeat one report, and as long the receiver knows it again."""


def report(paglet: Paglet[S]) -> None:
    """Send the outcome of a job to its `report_to`, and write down that it was.

    In the thread of `run()`. The message id is the same each time, so a MESSAGE paglet handles it
    once, though the job or a host is killed in between. Who cannot be reached is told later; who
    does not want to hear it is not told again.
    """
    job = paglet.state.job
    if job.report_to is None or job.outcome is None:
        return
    message = Message.of(JobReport(paglet.agent_id, job.outcome))
    message.message_id = f"{paglet.agent_id}-{job.submitted_at:.6f}-report"
    try:
        paglet.send(job.report_to, message, timeout=REPORT_SECONDS, retry_for=REPORT_SECONDS)
    except (HandlerError, NotFoundError, NotHandledError) as error:
        print(f"the report was not taken: {error}", file=sys.stderr)  # noqa: T201 - its log
    except PagletsError as error:
        print(f"not reported yet: {error}", file=sys.stderr)  # noqa: T201 - its log
        with paglet.locked_state() as state:
            state.job.retry_at = time.time() + pause(state.job.pauses)
            state.job.pauses += 1
        return
    with paglet.locked_state() as state:
        state.job.is_reported = True
    paglet.checkpoint()
