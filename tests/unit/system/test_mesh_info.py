"""`mesh-info` on a played mesh: what it samples, tells, and answers."""

import threading
from dataclasses import asdict

import pytest

from paglets.model.errors import DeadlineError, InvalidRequestError, ServiceNotFoundError
from paglets.model.refs import HostRef
from paglets.system.mesh_info.agent import KIND, MeshInfoAgent, snapshot_of
from paglets.system.mesh_info.ranking import usual_max_age
from paglets.system.server_info.contract import SERVER_INFO, Gauges, Gpu, Load, Memory
from paglets.testing.harness import PagletHarness
from paglets.testing.waiting import wait_until
from tests.unit.system.test_ranking import FIGURES

GAUGES = Gauges(
    load=Load(cpus=2.0, machine_cpus=4, load_1=1.0, load_5=1.0, load_15=1.0, use=0.5, per_cpu=0.25),
    memory=Memory(total_bytes=1000, available_bytes=600),
    disk_free_bytes=300,
    temp_free_bytes=200,
    gpus=(Gpu(0, "T4", 100, 60),),
)
HOSTS = (HostRef("beta", "http://beta:8765", host_id="beta", tags=("gpu",)), "gamma")


class ServerInfo:
    """Plays server-info: answers, or fails as it is told to."""

    def __init__(self):
        self.error = None
        self.asked = threading.Semaphore(0)

    def __call__(self, sent):
        assert sent.to.agent_id == "server-info"
        assert sent.kind == "gauges"
        self.asked.release()
        if self.error is not None:
            raise self.error
        return asdict(GAUGES)


@pytest.fixture
def server_info():
    return ServerInfo()


@pytest.fixture
def agent(server_info):
    harness = PagletHarness(MeshInfoAgent, hosts=HOSTS, replies=server_info)
    harness.mesh.provided = (SERVER_INFO,)
    with harness:
        yield harness


def sampled(agent):
    wait_until(lambda: agent.mesh.published(KIND), timeout=10, what="the host has told of itself")


def told(agent, host, *, age=1.0, agent_id="mesh-info", **figures):
    value = {**asdict(FIGURES), **figures}
    agent.mesh.publish(KIND, value, host=host, agent_id=agent_id, age=age)


def names(ranking):
    return [target["host_name"] for target in ranking["targets"]]


def reasons(ranking):
    return {each["host_name"]: each["reasons"] for each in ranking["rejected"]}


def test_a_snapshot_is_made_of_what_server_info_tells():
    figures = snapshot_of(GAUGES)
    assert (figures.cpus, figures.cpu_use, figures.load_per_cpu) == (2.0, 0.5, 0.25)
    assert (figures.memory_total_bytes, figures.memory_available_bytes) == (1000, 600)
    assert (figures.disk_free_bytes, figures.temp_free_bytes) == (300, 200)
    assert figures.gpu_free_bytes == (60,)


def test_it_tells_the_mesh_what_its_host_has(agent):
    sampled(agent)
    assert agent.mesh.published(KIND)["memory_available_bytes"] == 600


def test_hosts_are_ranked_by_what_they_have_told(agent):
    sampled(agent)
    told(agent, "beta")
    ranking = agent.send("rank", tags=["gpu"])
    assert names(ranking) == ["beta"]
    assert reasons(ranking)["alpha"] == ["lacks tag gpu"]
    assert reasons(ranking)["gamma"][1] == "has told nothing of itself: is mesh-info running there?"
    assert names(agent.send("rank")) == ["beta", "alpha"]


def test_what_a_host_has_not_taken_back_holds_however_long_ago_it_was_told(agent):
    told(agent, "beta", age=5000.0)
    (beta,) = agent.send("rank", hosts=["beta"])["targets"]
    assert beta["age"] == usual_max_age(3)


def test_figures_that_may_be_too_old_for_the_query_never_count(agent):
    told(agent, "beta", age=5000.0)
    ranking = agent.send("rank", hosts=["beta"], max_age=20.0)
    assert names(ranking) == []
    assert reasons(ranking)["beta"] == [
        f"figures are {usual_max_age(3):.0f} s old, at most 20 s count"
    ]


def test_of_several_that_speak_for_a_host_the_youngest_counts(agent):
    told(agent, "beta", agent_id="one", age=20.0, cpus=1.0)
    told(agent, "beta", agent_id="two", age=3.0, cpus=2.0)
    told(agent, "beta", agent_id="three", age=30.0, cpus=3.0)
    (beta,) = agent.send("snapshots", hosts=["beta"])["snapshots"]
    assert (beta["age"], beta["figures"]["cpus"]) == (3.0, 2.0)


def test_what_another_version_tells_is_left_out(agent):
    agent.mesh.publish(KIND, {"cores": "many"}, host="beta", agent_id="mesh-info")
    assert "told nothing" in reasons(agent.send("rank", hosts=["beta"]))["beta"][0]


def test_hosts_that_are_gone_or_other_are_never_chosen(agent):
    for name, change in (
        ("beta", {"online": False, "status": "dead"}),
        ("gamma", {"error": "other"}),
    ):
        agent.mesh.hosts = [h for h in agent.mesh.hosts if h.name != name]
        agent.mesh.hosts.append(HostRef(name, f"http://{name}:8765", host_id=name, **change))
        told(agent, name)
    found = reasons(agent.send("rank"))
    assert (found["beta"], found["gamma"]) == (["is dead"], ["other"])


def test_snapshots_are_told_with_their_age(agent):
    sampled(agent)
    told(agent, "beta", age=7.0)
    (beta,) = agent.send("snapshots", hosts=["beta"])["snapshots"]
    assert (beta["host_name"], beta["age"]) == ("beta", 7.0)
    assert [each["host_name"] for each in agent.send("snapshots")["snapshots"]] == ["alpha", "beta"]


def test_a_query_that_makes_no_sense_is_refused(agent):
    with pytest.raises(InvalidRequestError, match="count is 0"):
        agent.send("rank", count=0)


def test_without_server_info_it_says_so_once_and_answers_for_the_others():
    harness = PagletHarness(MeshInfoAgent, hosts=HOSTS)
    with harness:
        wait_until(lambda: harness.events, timeout=10, what="it has complained")
        told(harness, "beta")
        ranking = harness.send("rank")
        assert names(ranking) == ["beta"]
        assert "told nothing" in reasons(ranking)["alpha"][0]
    (event,) = harness.events
    assert event.level == "warning"
    assert "the harness provides no server-info" in event.text


@pytest.mark.parametrize("error", [DeadlineError("late"), ServiceNotFoundError("gone")])
def test_a_failing_server_info_leaves_no_figures_of_its_host(server_info, error):
    server_info.error = error
    harness = PagletHarness(MeshInfoAgent, hosts=HOSTS, replies=server_info)
    harness.mesh.provided = (SERVER_INFO,)
    with harness:
        wait_until(lambda: harness.events, timeout=10, what="it has complained")
        assert harness.mesh.published(KIND) is None
        assert harness.is_active


def test_it_ends_at_once_when_its_host_stops(agent):
    sampled(agent)
    agent.deactivate()
    assert not agent.is_active
