"""What tests of jobs on real hosts share."""

import os
import signal
from pathlib import Path
from typing import Self

from paglets import (
    JobHandle,
    JobPhase,
    JobWishes,
    Message,
    NotFoundError,
    PagletNotFoundError,
    PagletsError,
    ServiceHandle,
    ServiceScope,
    submit_job,
)
from paglets.system.compute_slots.contract import (
    CANCEL,
    COMPUTE_SLOTS,
    LIST,
    STATISTICS,
    WHY,
    HostQuery,
    JobInfo,
    JobName,
    JobQuery,
    SlotStatistics,
    WhyAnswer,
)
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

AGENTS = Path(__file__).parents[2] / "agents" / "compute"
PATIENCE = 20.0
"""Seconds for anything on a busy machine."""
AGENT = "paglets.system.compute_slots.agent:ComputeSlotsAgent"
PRELOAD = ("paglets.system.compute_slots.agent", "paglets.system.compute_slots.job")
"""As a host does that has the resident by launch.toml."""


class Stage:
    """Submits jobs to a mesh and watches them; what is left at the end is disposed of."""

    def __init__(self, mesh: LocalMesh, folder: Path) -> None:
        self.mesh = mesh
        self.folder = folder
        self.handles: list[JobHandle] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for host in self.mesh:
            if not host.is_running:
                host.start()
        self.mesh.wait_converged()
        for host in self.mesh:
            for job_id in self.jobs(host):
                self.slots(host.name).call(CANCEL, JobName(job_id))
        self.wait_for(lambda: not any(self.jobs(host) for host in self.mesh), "all jobs end")
        for handle in self.handles:
            self.wait_for(lambda job=handle: self._is_disposed(job), f"{handle.job_id} goes")

    def _is_disposed(self, job: JobHandle) -> bool:
        try:
            self.mesh.client().proxy(job.job_id).dispose()
        except PagletNotFoundError:
            return True
        return False

    @staticmethod
    def give_slots(host: LocalHost, **limits: float) -> None:
        state = {"limits": limits, "times": {"lease": 6.0, "patience": 5.0}}
        host.client.create(AGENT, state, agent_id="compute-slots")

    def wait_for(self, check, what: str) -> None:
        def holds() -> bool:
            try:
                return check()
            except PagletsError:
                return False

        wait_until(holds, timeout=PATIENCE, what=what, story=self.story)

    def story(self) -> str:
        lines = []
        for host in self.mesh:
            if host.is_running:
                lines += [f"{host.name}: {a.agent_id} {a.status}" for a in host.observer.agents()]
                lines += [f"{e.kind} {e.agent_id} {e.text}" for e in host.observer.events()[-30:]]
        return "\n".join(lines)

    def submit(
        self, job: str, state: dict | None = None, *, at: str = "alpha", **options
    ) -> JobHandle:
        """Submit a job; options that are none of `submit_job` are its wishes."""
        named = {key: options.pop(key) for key in ("job_id", "report_to") if key in options}
        wishes = JobWishes(**options)
        client = self.mesh[at].client
        handle = submit_job(client, f"jobs:{job}", state, wishes=wishes, **named)
        self.handles.append(handle)
        return handle

    def submit_class(self, name: str, state: dict) -> JobHandle:
        """Submit a class by its whole name."""
        handle = submit_job(self.mesh.client(), name, state)
        self.handles.append(handle)
        return handle

    def gate(self, job: str = "Gate", **options) -> JobHandle:
        """Submit a job that runs until `go` is called for it."""
        return self.submit(job, {"folder": str(self.folder)}, **options)

    def go(self, *jobs: JobHandle) -> None:
        """Let jobs end."""
        for job in jobs:
            (self.folder / f"go-{job.job_id}").touch()

    def begun(self, job: JobHandle) -> list[tuple[str, int]]:
        """Return where a job has begun so far, with process ids."""
        book = self.folder / "begun"
        lines = [line.split() for line in book.read_text().splitlines()] if book.exists() else []
        return [(host, int(pid)) for job_id, host, pid in lines if job_id == job.job_id]

    def wait_begun(self, job: JobHandle, times: int = 1) -> tuple[str, int]:
        """Wait until a job has begun so often; return where it did last."""
        self.wait_for(lambda: len(self.begun(job)) >= times, f"{job.job_id} begins {times} times")
        return self.begun(job)[-1]

    def kill_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def pause_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

    def resume_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)

    def again(self, job: JobHandle) -> JobHandle:
        """Return a new handle of a job, after its home was restarted."""
        return self.submit("Gate", job_id=job.job_id)

    def slots(self, name: str) -> ServiceHandle:
        """Return the compute-slots of a host."""
        found = self.mesh[name].client.services.require(COMPUTE_SLOTS, scope=ServiceScope.LOCAL)
        assert found.record.host_name == name
        return found

    def jobs(self, host: LocalHost) -> dict[str, JobInfo]:
        """Return the jobs of a host that have not ended."""
        listed = self.slots(host.name).call(LIST, JobQuery()).jobs
        return {job.job_id: job for job in listed if not job.phase.is_final}

    def why(self, host: str, job: JobHandle) -> WhyAnswer:
        """Return why a job is not further, as a host says."""
        return self.slots(host).call(WHY, JobName(job.job_id))

    def is_forgotten(self, job: JobHandle) -> bool:
        """Whether its home knows nothing of a job any more."""
        try:
            job.status()
        except NotFoundError:
            return True
        return False

    def phase(self, host: str, job: JobHandle) -> JobPhase | None:
        """Return the phase of a job that has not ended, as a host knows."""
        found = self.jobs(self.mesh[host]).get(job.job_id)
        return None if found is None else found.phase

    def statistics(self, name: str) -> SlotStatistics:
        return self.slots(name).call(STATISTICS, HostQuery())

    def where(self, job: JobHandle) -> tuple[str, str]:
        """Return host and status of a job's paglet."""
        info = self.mesh.client().proxy(job.job_id).info()
        return info.host_name, info.status

    def wait_asleep(self, job: JobHandle, phase: JobPhase, host: str | None = None) -> str:
        """Wait until a job sleeps in a phase; return the host."""
        found = ""

        def sleeps() -> bool:
            nonlocal found
            found, status = self.where(job)
            known = self.jobs(self.mesh[found]).get(job.job_id)
            is_there = host in {None, found}
            return status == "inactive" and known is not None and known.phase is phase and is_there

        self.wait_for(sleeps, f"{job.job_id} sleeps, {phase.value}")
        return found

    def wait_no_slot(self, name: str) -> None:
        self.wait_for(lambda: self.statistics(name).cores_granted == 0, f"{name} has no job")

    def send_collector(self, kind: str, **args: object) -> object:
        return self.mesh.client().proxy("collector").send(Message(kind, args), retry_for=PATIENCE)
