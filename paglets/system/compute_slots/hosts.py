"""Asks the `compute-slots` of hosts in a job's name.

Who does not answer is no error here: a job goes on without, or asks again later. Used from the
lane of the job's process, `renew` also from a thread of its own. Not here: what follows from the
answers (`steps.py`).
"""

import sys
from collections.abc import Sequence
from typing import TypeVar

from paglets.agent.context import PagletContext
from paglets.agent.contracts import ServiceOperation
from paglets.agent.servicehandle import ServiceHandle
from paglets.model.enums import ServiceScope
from paglets.model.errors import PagletsError
from paglets.system.compute_slots.contract import (
    COMPUTE_SLOTS,
    FORGET,
    NOTE,
    OFFER,
    RELEASE,
    RENEW,
    REQUEST,
    JobName,
    JobNote,
    JobPhase,
    NoteAnswer,
    Offer,
    Renewal,
    SlotAnswer,
    SlotRequest,
)
from paglets.system.compute_slots.placing import ASKED, sample
from paglets.system.compute_slots.record import JobRecord, JobTerms
from paglets.system.mesh_info.contract import MESH_INFO, RANK, TargetQuery

Q = TypeVar("Q")
R = TypeVar("R")

ANSWER_SECONDS = 10.0
"""Longest wait for one host."""
OFFER_SECONDS = 3.0
"""Longest wait for the offers of several hosts; who is slower is not chosen."""
ROUNDS = 8
"""Most rounds of asking for offers before a job pauses."""


class SlotHosts:
    """The hosts' `compute-slots`, as one job sees them.

    Args:
        context: Of the job.
        job: Its record.
        class_name: Of the job.
        terms: What it asks for.
    """

    def __init__(
        self, context: PagletContext, job: JobRecord, class_name: str, terms: JobTerms
    ) -> None:
        self._context = context
        self._job = job
        self._class_name = class_name
        self._terms = terms

    def request(self, host: str) -> SlotAnswer | None:
        """Ask a host for a slot, or how the job stands there; None: it did not answer."""
        request = SlotRequest(
            job_id=self._context.agent_id,
            class_name=self._class_name,
            job=self._context.ref,
            home=self._job.home,
            needs=self._terms.needs,
            priority=self._terms.priority,
            submitted_at=self._job.submitted_at,
        )
        return self._ask(host, REQUEST, request)

    def renew(self, memory_used_bytes: int, temp_used_bytes: int) -> SlotAnswer | None:
        """Say to this host that the job runs; None: it did not answer."""
        used = Renewal(self._context.agent_id, memory_used_bytes, temp_used_bytes)
        return self._ask(self._context.host_name, RENEW, used)

    def release(self, host: str) -> None:
        """Give up the slot or place at a host; where it does not answer its lease ends."""
        self._ask(host, RELEASE, JobName(self._context.agent_id))

    def note(
        self, host: str, phase: JobPhase, text: str = "", *, is_gone: bool = False
    ) -> NoteAnswer | None:
        """Tell a host how far the job is; None: it did not answer."""
        note = JobNote(
            job_id=self._context.agent_id,
            class_name=self._class_name,
            job=self._context.ref,
            home=self._job.home,
            phase=phase,
            host=self._job.host if self._job.outcome is None else self._job.outcome.host,
            text=text,
            priority=self._terms.priority,
            submitted_at=self._job.submitted_at,
            ticket=self._job.ticket,
            is_gone=is_gone,
        )
        return self._ask(host, NOTE, note)

    def forget(self, host: str) -> None:
        """Have a host forget what it was told of the job."""
        self._ask(host, FORGET, JobName(self._context.agent_id))

    def offers(self) -> tuple[list[Offer], list[str]]:
        """Return offers of hosts, some of which could run the job, and why others make none.

        Asks a few hosts at a time, those that `mesh-info` takes for best first, until one could.
        """
        handles = {
            handle.record.host_name: handle
            for handle in self._context.services.lookup_all(COMPUTE_SLOTS)
        }
        names = self._ranked(list(handles))
        offers: list[Offer] = []
        reasons: list[str] = [] if handles else ["no host of the mesh has compute-slots"]
        for _ in range(ROUNDS):
            asked, names = names[:ASKED], names[ASKED:]
            waiting = {
                name: handles[name].call_future(OFFER, self._terms.needs, timeout=OFFER_SECONDS)
                for name in asked
            }
            for name, future in waiting.items():
                try:
                    offers.append(future.result())
                except PagletsError as error:
                    reasons.append(f"{name} does not answer: {error}")
            if not names or any(not offer.is_final for offer in offers):
                break
        reasons += [f"{o.host_name}: {'; '.join(o.reasons)}" for o in offers if o.is_final]
        return offers, reasons

    def _ranked(self, hosts: Sequence[str]) -> list[str]:
        """Return all hosts, those first that `mesh-info` chooses, if there is one."""
        chosen: list[str] = []
        if len(hosts) > ASKED:
            query = TargetQuery(cpus=self._terms.needs.cores, tags=self._terms.needs.tags)
            local = self._context.services.lookup(MESH_INFO, scope=ServiceScope.LOCAL)
            ranking = self._ask_handle(local, RANK, query)
            if ranking is not None:
                chosen = [target.host_name for target in ranking.targets]
        known = [name for name in chosen if name in hosts]
        rest = [name for name in hosts if name not in known]
        return [*known, *sample(rest, self._context.agent_id, len(rest))]

    def _ask(self, host: str, operation: ServiceOperation[Q, R], request: Q) -> R | None:
        handle = self._context.services.lookup(COMPUTE_SLOTS, host=host)
        return self._ask_handle(handle, operation, request)

    def _ask_handle(
        self, handle: ServiceHandle | None, operation: ServiceOperation[Q, R], request: Q
    ) -> R | None:
        if handle is None:
            return None
        try:
            return handle.call(operation, request, timeout=ANSWER_SECONDS)
        except PagletsError as error:
            where = handle.record.host_name
            print(f"{operation.name} at {where}: {error}", file=sys.stderr)  # noqa: T201 - its log
            return None
