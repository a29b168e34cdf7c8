"""The packaged paglets in the test's own process, on a played mesh."""

import time
from pathlib import Path

import pytest
from msgspec import to_builtins

from paglets import FanOut, Message, PagletProxyRef, Priority, SharePhase
from paglets.agent.fanout.model import REPORT, Order, Report
from paglets.examples.crew import Phase
from paglets.examples.grep.agent import GrepAgent
from paglets.examples.grep.model import Catch, GrepPlan, GrepState, Hit, Searched, Tally
from paglets.examples.meshbench.agents import MeshBenchmarkAgent
from paglets.examples.meshbench.helpers import Station, Traveller
from paglets.examples.meshbench.model import (
    ConductorState,
    CrossPlan,
    HelperState,
    MoveOrder,
    PingOrder,
)
from paglets.examples.performance.agent import PerformanceBenchmarkAgent
from paglets.examples.performance.model import (
    BenchmarkState,
    Figure,
    Finding,
    Kind,
    Note,
    Plan,
)
from paglets.testing.harness import PagletHarness, Sent
from paglets.testing.waiting import wait_until

LEADER = PagletProxyRef("http://alpha:8765", "leader", host_id="alpha", host_name="alpha")


def ask(paglet: PagletHarness, kind: str = "progress", **args: object):
    return paglet.send(Message(kind, dict(args), priority=Priority.UNQUEUED))


def report(leader: PagletHarness, host: str, result: object) -> None:
    """Report as the worker of a host does at its end."""
    gathering = leader.paglet._crew._gathering
    (worker,) = (share.worker for share in gathering.shares() if share.host == host)
    done = Report(gathering.round_id, worker.agent_id, SharePhase.DONE, result=to_builtins(result))
    leader.send(Message.of(done, kind=REPORT, priority=Priority.UNQUEUED))


def worker_of(cls: type, state, seconds: float = 30.0, *, host: str = "alpha") -> PagletHarness:
    """A worker whose leader is played."""
    state.fan_out = FanOut(Order("round", LEADER, "worker", WORK[cls], seconds))
    harness = PagletHarness(cls, state, host=host, replies=lambda _sent: {"is_wanted": True})
    harness.agent_id = "worker"
    return harness


WORK = {PerformanceBenchmarkAgent: "measure", GrepAgent: "search"}


def ended(worker: PagletHarness) -> dict:
    """Return what it reported at its end."""
    worker.wait_departure()
    assert worker.is_disposed
    last = worker.sent[-1]
    assert (last.kind, last.to.agent_id, last.args["phase"]) == (REPORT, "leader", "done")
    return last.args["result"]


def phases(paglet: PagletHarness) -> dict[str, str]:
    return {row["host"]: row["phase"] for row in ask(paglet)["rows"]}


def test_the_parent_clones_a_worker_to_each_host_and_takes_their_findings():
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(Plan())) as parent:
        wait_until(lambda: len(parent.clones) == 3, timeout=5, what="three clones")
        assert parent.clones == ["alpha", "beta", "gamma"]
        parent.send(Message.of(Note("beta", Phase.WAITING, "waits for alpha", 0.5)))
        assert phases(parent)["beta"] == "waiting"
        for host in parent.clones:
            report(parent, host, Finding(host, figures=[Figure("copy", 1.0, 1.0, 1.0)]))
        wait_until(lambda: ask(parent)["is_done"], timeout=5, what="the end")
        assert set(phases(parent).values()) == {"done"}
        assert ask(parent)["helpers"] == []


def test_a_late_note_does_not_open_a_row_again():
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(Plan(hosts=["beta"]))) as parent:
        wait_until(lambda: parent.clones == ["beta"], timeout=5, what="a clone")
        report(parent, "beta", Finding("beta", reason="no lock"))
        parent.send(Message.of(Note("beta", Phase.WORKING, "copy", 0.0)))
        assert phases(parent) == {"beta": "failed"}


def test_a_host_that_is_unknown_is_a_row_with_its_reason():
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(Plan(hosts=["nobody"]))) as parent:
        wait_until(lambda: ask(parent)["is_done"], timeout=5, what="the end")
        (row,) = ask(parent)["rows"]
        assert (row["phase"], row["reason"]) == ("failed", "no host of this name is known")
        assert parent.clones == []


def test_stop_ends_workers_that_have_not_reported():
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(Plan(hosts=["beta"]))) as parent:
        wait_until(lambda: parent.clones == ["beta"], timeout=5, what="a clone")
        ask(parent, "stop")
        wait_until(lambda: ask(parent)["is_done"], timeout=5, what="the end")
        (row,) = ask(parent)["rows"]
        assert row["reason"] == "was stopped (it was pending)"


def test_who_is_too_slow_is_a_row_with_its_reason():
    plan = Plan(hosts=["beta"], deadline=0.2)
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(plan)) as parent:
        wait_until(lambda: ask(parent)["is_done"], timeout=5, what="the end")
        (row,) = ask(parent)["rows"]
        assert row["reason"].startswith("too slow: not done within 0.2 s")


def test_a_parent_that_nobody_asks_ends_itself():
    plan = Plan(hosts=["beta"], patience=0.1)
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(plan)) as parent:
        parent.wait_departure()
        assert parent.is_disposed


def test_a_parent_whose_process_is_a_new_one_ends_itself():
    with PagletHarness(PerformanceBenchmarkAgent, BenchmarkState(Plan(hosts=["beta"]))) as parent:
        wait_until(lambda: parent.clones == ["beta"], timeout=5, what="a clone")
        parent.deactivate()
        parent.activate("recovered")
        parent.wait_departure()
        assert parent.is_disposed
        assert parent.clones == ["beta"]


def benchmark(**plan: object) -> BenchmarkState:
    return BenchmarkState(Plan(**plan))


def test_a_worker_measures_reports_and_goes_away(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PAGLETS_BENCHMARK_LOCK", str(tmp_path))
    state = benchmark(kinds=[Kind.MEMORY, Kind.DISK], seconds=0.02, disk_bytes=8192)
    with worker_of(PerformanceBenchmarkAgent, state, host="beta") as worker:
        found = ended(worker)
        names = ["copy", "scan", "write", "read", "small files"]
        assert [each["test"] for each in found["figures"]] == names
        assert found["machine"]["cores"] > 0
        notes = [each.args["text"] for each in worker.sent if each.kind == "Note"]
        assert notes == ["copy", "scan", "write and read", "small files"]
        assert [p for p in worker._folder.rglob("*") if p.is_file()] == []


def test_a_worker_waits_for_the_lock_and_says_for_whom(monkeypatch, tmp_path: Path):
    from paglets.examples.performance.lock import BenchmarkLock

    monkeypatch.setenv("PAGLETS_BENCHMARK_LOCK", str(tmp_path))
    lock = BenchmarkLock(tmp_path, "gamma")
    assert lock.take_nowait()
    state = benchmark(kinds=[Kind.MEMORY], seconds=0.02)
    with worker_of(PerformanceBenchmarkAgent, state, host="beta") as worker:
        wait_until(lambda: any(s.kind == "Note" for s in worker.sent), timeout=5, what="a note")
        note = next(each.args for each in worker.sent if each.kind == "Note")
        assert (note["phase"], note["text"]) == ("waiting", "waits for gamma")
        lock.release()
        assert ended(worker)["waited"] > 0


def test_a_worker_that_never_gets_the_lock_reports_that(monkeypatch, tmp_path: Path):
    from paglets.examples.performance.lock import BenchmarkLock

    monkeypatch.setenv("PAGLETS_BENCHMARK_LOCK", str(tmp_path))
    lock = BenchmarkLock(tmp_path, "gamma")
    assert lock.take_nowait()
    with worker_of(PerformanceBenchmarkAgent, benchmark(), seconds=0.3) as worker:
        assert ended(worker)["reason"].startswith("too slow")
    lock.release()


def test_a_worker_without_a_folder_for_its_lock_reports_that(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PAGLETS_BENCHMARK_LOCK", str(tmp_path / "none"))
    with worker_of(PerformanceBenchmarkAgent, benchmark()) as worker:
        assert "No such file" in ended(worker)["reason"]


def test_a_station_stops_the_time_of_moves_and_messages():
    with PagletHarness(Station, HelperState(rest=30)) as station:
        order = MoveOrder(LEADER, "beta", 1.0)
        assert station.send(Message.of(order))["seconds"] > 0
        pinged = station.send(Message.of(PingOrder(LEADER, 3, 1.0)))
        assert len(pinged["seconds"]) == 3
        assert [each.kind for each in station.sent] == ["echo"] * 4


def test_helpers_end_themselves_after_their_time():
    with PagletHarness(Traveller, HelperState(rest=0.1, payload_bytes=100)) as traveller:
        assert len(traveller.paglet.state.payload) == 100
        traveller.wait_departure()
        assert traveller.is_disposed


def test_the_conductor_has_every_way_measured():
    def reply(sent: Sent):
        if sent.kind == "PingOrder":
            return {"seconds": [0.001] * sent.args["count"]}
        target = sent.args["target"]
        where = {"host_url": f"http://{target}:1", "agent_id": "t", "host_name": target}
        return {"seconds": 0.01, "traveller": where}

    state = ConductorState(CrossPlan(moves=2, messages=3))
    with PagletHarness(MeshBenchmarkAgent, state, replies=reply) as conductor:
        wait_until(lambda: ask(conductor)["is_done"], timeout=5, what="the end")
        found = ask(conductor)
        assert len(found["ways"]) == 6
        assert all(len(way["moves"]) == 2 and len(way["trips"]) == 3 for way in found["ways"])
        assert not any(way["reason"] for way in found["ways"])
        made = [name.rpartition(":")[2] for name in conductor.created]
        assert made == ["Station"] * 3 + ["Traveller"]
        assert found["helpers"] == []


def test_a_searcher_tells_what_it_finds_and_goes_away(tmp_path: Path):
    (tmp_path / "a.log").write_text("x\n" * 120)
    tmp_path.chmod(0o755)
    state = GrepState(GrepPlan("x", [f"{tmp_path}/*.log"]))
    with worker_of(GrepAgent, state, host="beta") as searcher:
        tally = ended(searcher)["tally"]
        catches = [each.args for each in searcher.sent if each.kind == "Catch"]
        told = sum(len(each["hits"]) for each in catches)
        assert told == tally["matches"]
        # Whether everybody may read below pytest's folder depends on the machine.
        assert told in {0, 120}
        assert tally["unreadable"] == (told == 0)


def test_hits_are_fetched_page_by_page_as_they_come():
    hits = [Hit("beta", "/a", n, "x") for n in range(500)]
    with PagletHarness(GrepAgent, GrepState(GrepPlan("x", hosts=["beta"]))) as parent:
        wait_until(lambda: parent.clones == ["beta"], timeout=5, what="a clone")
        parent.send(Message.of(Catch("beta", hits[:300], Tally(matches=300))))
        assert len(ask(parent, "found", after=0)["hits"]) == 300
        parent.send(Message.of(Catch("beta", hits[300:], Tally(matches=500))))
        first = ask(parent, "found", after=0)
        assert len(first["hits"]) == 400
        assert not first["is_done"]
        report(parent, "beta", Searched(Tally(matches=500)))
        wait_until(
            lambda: ask(parent, "found", after=500)["is_done"], timeout=5, what="the last page"
        )
        parent.send(Message.of(Catch("beta", hits[:1], Tally())))  # too late to be counted
        last = ask(parent, "found", after=400)
        assert [hit["line"] for hit in last["hits"]] == list(range(400, 500))
        assert last["is_done"]
        assert last["rows"][0]["tally"]["matches"] == 500


@pytest.fixture(autouse=True)
def nothing_takes_long():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 30
