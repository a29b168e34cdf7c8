"""Many jobs over hosts of different sizes, one of which is killed in the middle."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from paglets import JobPhase, Message, PagletsError, submit_job
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.compute.stage import AGENTS, PRELOAD, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

JOBS = 200
CORES = {"alpha": 1.0, "beta": 0.75, "gamma": 0.5}
SECONDS = 0.6
"""Of each job: long enough that queues form."""
EACH = 0.25
"""Cores of a job, as `jobs.Tiny` says."""
KILLED = "beta"


@dataclass(frozen=True)
class Line:
    what: str
    job: str
    host: str
    at: int


@pytest.fixture
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, preload=PRELOAD) as running:
        for host in running:
            Stage.give_slots(host, cores=CORES[host.name])
        yield running


def test_two_hundred_jobs_end_once_each_though_a_host_is_killed(mesh: LocalMesh, tmp_path: Path):
    ledger = tmp_path / "ledger"
    collector = mesh.client().create("jobs:Collector", agent_id="collector")

    def submit(number: int):
        state = {"ledger": str(ledger), "number": number, "seconds": SECONDS}
        name = f"tiny-{number:03}"
        return submit_job(mesh.client(), "jobs:Tiny", state, job_id=name, report_to=collector.ref())

    def reports() -> list[str]:
        try:
            return collector.send(Message("reports"), timeout=5.0)
        except PagletsError:
            return []

    def wait_reports(count: int, seconds: float) -> None:
        wait_until(
            lambda: len(reports()) >= count,
            timeout=seconds,
            what=f"{count} jobs have reported",
            interval=0.2,
            story=lambda: f"{len(reports())} have; {missing(mesh, reports())}",
        )

    with ThreadPoolExecutor(4) as pool:
        handles = list(pool.map(submit, range(JOBS)))
    wait_reports(JOBS // 4, 60)
    mesh.kill(KILLED)
    killed_at = time.monotonic_ns()
    mesh[KILLED].start()
    wait_reports(JOBS, 150)

    told = Counter(line.split()[0] for line in reports())
    assert set(told.values()) == {1}
    assert set(reports()) == {f"tiny-{n:03} done {n * n}" for n in range(JOBS)}
    lines = read(ledger)
    assert_began_again_only_where_killed(lines, killed_at)
    assert_cores(lines, killed_at)
    for host in mesh:
        assert_granted(host)
    for number, handle in list(enumerate(handles))[:: JOBS // 8]:
        outcome = handle.wait(10)
        assert (outcome.phase, outcome.result) == (JobPhase.DONE, number * number)


def read(ledger: Path) -> list[Line]:
    rows = [line.split() for line in ledger.read_text().splitlines()]
    return sorted((Line(*row[:3], int(row[3])) for row in rows), key=lambda line: line.at)


def missing(mesh: LocalMesh, told: list[str]) -> str:
    """Return what is known of jobs that have not reported."""
    known = {line.split()[0] for line in told}
    rows = [
        f"{host.name}: {agent.agent_id} {agent.status} {agent.error or ''}"
        for host in mesh
        if host.is_running
        for agent in host.observer.agents()
        if agent.agent_id not in known
    ]
    return "\n".join(rows[:40])


def assert_began_again_only_where_killed(lines: list[Line], killed_at: int) -> None:
    """Check that who began twice began first on the host that was killed, before that."""
    attempts: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.what == "begin":
            attempts[line.job].append(line)
    assert len(attempts) == JOBS
    for begun in attempts.values():
        for first in begun[:-1]:
            assert first.host == KILLED
            assert first.at < killed_at
        assert len(begun) <= 2
    assert sum(len(begun) for begun in attempts.values()) <= JOBS + CORES[KILLED] / EACH
    assert {begun[-1].host for begun in attempts.values()} == set(CORES)


def assert_cores(lines: list[Line], killed_at: int) -> None:
    """Check that no host ever computed more jobs at once than it has cores for."""
    running: dict[str, set[str]] = defaultdict(set)
    most: Counter[str] = Counter()
    for line in lines:
        if line.at > killed_at and killed_at:
            running[KILLED].clear()  # those that were cut off never wrote their end
            killed_at = 0
        if line.what == "begin":
            running[line.host].add(line.job)
            most[line.host] = max(most[line.host], len(running[line.host]))
        else:
            running[line.host].discard(line.job)
    assert all(most[host] * EACH <= cores for host, cores in CORES.items()), most
    assert all(most[host] > 1 for host in CORES), most


def assert_granted(host) -> None:
    """Check that each moment's sum of grants, as its events have it, was within the host."""
    samples = [event for event in host.observer.events() if event.kind == "job"]
    assert samples
    for event in samples:
        assert event.detail["cores"] == CORES[host.name]
        assert event.detail["cores_granted"] <= event.detail["cores"]
        assert event.detail["memory_granted_bytes"] <= event.detail["memory_bytes"]
