"""The author's samples (`tests/typing/samples.py`) run on three hosts as they stand there."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from paglets.agent.itinerary import Itinerary, Stop
from paglets.agent.proxy import PagletProxy
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import PATIENCE

SAMPLES = Path(__file__).parents[2] / "typing" / "samples.py"
PARTNERS = '''
"""Whom the samples talk to."""
from dataclasses import dataclass
from paglets import Message, Paglet, PagletProxyRef, handles


@dataclass
class AskerState:
    bench: PagletProxyRef | None = None
    answer: str = ""


class Asker(Paglet[AskerState]):
    """Asks a Bench from `run()`, and is asked back by it."""

    def run(self) -> None:
        if self.state.bench is not None:
            answer = self.send(self.state.bench, Message("score"), str)
            with self.locked_state() as state:
                state.answer = answer

    @handles("x")
    def x(self) -> str:
        return "x of the asker"


class Number(Paglet[None]):
    @handles("n")
    def n(self) -> int:
        return 7
'''


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agents")
    shutil.copy(SAMPLES, folder / "samples.py")
    (folder / "partners.py").write_text(PARTNERS)
    return folder


@pytest.fixture(scope="module")
def samples(agents: Path) -> Iterator[ModuleType]:
    """The module, for its State classes."""
    spec = importlib.util.spec_from_file_location("samples", agents / "samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["samples"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["samples"]


@pytest.fixture(scope="module")
def mesh(agents: Path) -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=agents) as running:
        yield running


@pytest.mark.parametrize("name", ["Tour", "Tour2"])
def test_a_tour_visits_hosts_and_tells_of_them(mesh: LocalMesh, name: str) -> None:
    tour = mesh.client().create(f"samples:{name}")
    for host in ("beta", "gamma", "alpha"):
        moved = tour.send(Message("go", {"to": host}))
        assert isinstance(moved, PagletProxy)
    assert tour.send(Message("visits")) == ["beta", "gamma", "alpha"]


def test_a_log_search_finds_lines_on_every_other_host(
    mesh: LocalMesh, samples: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.log").write_text("fine\nERROR one\nfine\n")
    (tmp_path / "deep" / "b.log").write_text("ERROR two\n")
    (tmp_path / "c.txt").write_text("ERROR not in a log\n")
    state = samples.SearchState(root=tmp_path)
    search = mesh.client().create("samples:LogSearch", state)
    search.send(Message("search", {"pattern": "ERROR"}))

    def hits() -> list[tuple[str, int, str]]:
        found = search.state()["hits"]
        return sorted((hit["host"], hit["line"], hit["text"]) for hit in found)

    wait_until(lambda: len(hits()) == 4, timeout=PATIENCE, what="all hits are in")
    assert hits() == [
        ("beta", 1, "ERROR two"),
        ("beta", 2, "ERROR one"),
        ("gamma", 1, "ERROR two"),
        ("gamma", 2, "ERROR one"),
    ]
    wait_until(
        lambda: (
            not mesh.client("beta").proxy(search.agent_id).info().queued
            and not _searches(mesh, "beta")
            and not _searches(mesh, "gamma")
        ),
        timeout=PATIENCE,
        what="the clones are gone",
    )


def _searches(mesh: LocalMesh, host: str) -> list[str]:
    found = mesh[host].observer.agents()
    return [info.agent_id for info in found if info.class_name == "samples:LogSearch"]


def test_a_crawler_works_through_its_frontier_and_sleeps_at_the_end_of_its_plan(
    mesh: LocalMesh, samples: ModuleType
) -> None:
    plan = Itinerary(stops=[Stop("beta"), Stop("atlantis"), Stop("gamma")])
    state = samples.CrawlState(itinerary=plan, frontier=[f"page {n}" for n in range(5)])
    crawler = mesh.client().create("samples:Crawler", state)
    wait_until(
        lambda: crawler.info().status == "inactive" and crawler.info().host_name == "gamma",
        timeout=PATIENCE,
        what="it sleeps on gamma",
        story=lambda: str(crawler.info()),
    )
    assert crawler.info().activate_at is not None
    left = crawler.state()
    assert left["frontier"] == []
    assert left["itinerary"]["visits"] == 2


def test_a_bench_asks_its_sender_back_in_async_code(mesh: LocalMesh) -> None:
    bench = mesh.client("beta").create("samples:Bench")
    asker = mesh.client().create("partners:Asker", _asker(bench), host="alpha")
    wait_until(
        lambda: asker.state()["answer"] == "x of the asker", timeout=PATIENCE, what="it answers"
    )


def _asker(bench: PagletProxy) -> object:
    from dataclasses import make_dataclass

    from paglets.model.refs import PagletProxyRef

    return make_dataclass("AskerState", [("bench", PagletProxyRef)])(bench.ref())


def test_a_client_leases_the_tokenizer_wherever_it_is(mesh: LocalMesh) -> None:
    mesh.client("beta").create("samples:Tokenizer")
    mesh.client().create("partners:Number", agent_id="x")

    def found() -> bool:
        return any(service.name == "tokenizer" for service in mesh["alpha"].observer.services())

    wait_until(found, timeout=PATIENCE, what="alpha knows of the tokenizer")
    client = mesh.client().create("samples:Client")
    wait_until(
        lambda: mesh["alpha"].observer.logs(client.agent_id) == ["['a', 'b'] 7"],
        timeout=PATIENCE,
        what="it prints what it got",
        story=lambda: str(mesh["alpha"].observer.logs(client.agent_id)),
    )
