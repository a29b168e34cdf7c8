"""Makes the paglet of a job that was ordered; in the process of `compute-slots`, its home's."""

import msgspec

from paglets.agent.context import PagletContext
from paglets.model.errors import (
    AgentIdTakenError,
    ClassLoadError,
    ClassNotAllowedError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    StateError,
)
from paglets.system.compute_slots.contract import JobOrder, Submitted
from paglets.system.compute_slots.record import JobRecord


def create_job(context: PagletContext, order: JobOrder, now: float) -> Submitted:
    """Create the paglet of a job, unless it is there already.

    Args:
        context: Of the home's `compute-slots`.
        order: What to make.
        now: Unix seconds.

    Raises:
        ForbiddenError: This host does not allow the class.
        InvalidRequestError: It cannot be imported, is no ComputeJob, or the state does not fit.
        ConflictError: The id belongs to a paglet of another class.
    """
    if "job" in order.state:
        raise InvalidRequestError("`job` is the job's own record; leave it out of the state")
    record = JobRecord(
        home=context.host_name,
        wishes=order.wishes,
        report_to=order.report_to,
        submitted_at=now,
    )
    state = {**order.state, "job": msgspec.to_builtins(record)}
    try:
        made = context.create(order.class_name, state, agent_id=order.job_id)
    except AgentIdTakenError:
        return _existing(context, order)
    except ClassNotAllowedError as error:
        raise ForbiddenError(error.message) from error
    except ClassLoadError as error:
        raise InvalidRequestError(error.message) from error
    except StateError as error:
        if error.field == "job":
            raise InvalidRequestError(
                f"{order.class_name} is no ComputeJob: extend ComputeJob[TheState], with "
                "`class TheState(JobState)`"
            ) from error
        raise
    return Submitted(made.ref(), is_new=True)


def _existing(context: PagletContext, order: JobOrder) -> Submitted:
    """Return the paglet that was made by an order whose answer was lost."""
    info = context.proxies.get(order.job_id).info()
    if info.class_name != order.class_name:
        raise ConflictError(
            f"{order.job_id} is the id of a {info.class_name}; choose another one",
            job_id=order.job_id,
        )
    return Submitted(context.proxies.get(order.job_id).ref(), is_new=False)
