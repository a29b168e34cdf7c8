"""Jobs and rooms in a few words."""

from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.contract import JobNote, JobPhase, SlotRequest
from paglets.system.compute_slots.needs import Needs, Room

MIB = 1024 * 1024


def room(cores: float = 4.0, **changes) -> Room:
    """Return a host with nothing else to do."""
    figures = {
        "memory_bytes": 1000 * MIB,
        "memory_free_bytes": 1000 * MIB,
        "temp_bytes": 1000 * MIB,
        "temp_free_bytes": 1000 * MIB,
        **changes,
    }
    return Room(cores=cores, **figures)


def ref(job_id: str) -> PagletProxyRef:
    return PagletProxyRef("http://127.0.0.1:8765", job_id)


def request(job_id: str, needs: Needs | None = None, *, priority: int = 5, **wanted) -> SlotRequest:
    """Return what a job asks; `wanted` are its needs."""
    return SlotRequest(
        job_id=job_id,
        class_name="m:Job",
        job=ref(job_id),
        home="alpha",
        needs=needs or Needs(**wanted),
        priority=priority,
    )


def note(job_id: str, phase: JobPhase, **changes) -> JobNote:
    return JobNote(job_id, "m:Job", ref(job_id), "alpha", phase, **changes)
