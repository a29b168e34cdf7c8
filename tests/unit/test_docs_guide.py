import importlib.util
import re
import sys
from pathlib import Path

import pytest

from paglets import Paglet
from paglets.testing.harness import PagletHarness

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    path = tmp_path_factory.mktemp("guide") / "guide_code.py"
    path.write_text("\n\n".join(blocks))
    spec = importlib.util.spec_from_file_location("guide_code", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["guide_code"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["guide_code"]


def test_every_class_of_the_guide_can_be_created(guide) -> None:
    classes = [
        each
        for each in vars(guide).values()
        if isinstance(each, type) and issubclass(each, Paglet) and each is not Paglet
    ]
    assert len(classes) > 5
    for cls in classes:
        with PagletHarness(cls) as paglet:
            assert paglet.is_active


def test_the_counter_counts_and_ranks(guide) -> None:
    with PagletHarness(guide.Counter) as counter:
        counter.send("count", word="a")
        assert counter.send("count", word="b", by=3) == 3
        assert counter.send("top", n=1) == ["b"]


def test_the_search_goes_where_its_plan_says(guide) -> None:
    (line,) = guide.try_it()
    assert line.startswith("beta: ")


def test_the_fan_out_clones_to_every_other_host(guide) -> None:
    with PagletHarness(guide.Counting) as counting:
        assert counting.send("fan_out") == 2
        assert counting.clones == ["beta", "gamma"]


def test_the_shortest_of_the_fresh_backlogs_is_found(guide) -> None:
    with PagletHarness(guide.Worker) as worker:
        worker.send("waiting", n=5)
        worker.mesh.publish("backlog", {"waiting": 2}, host="beta", agent_id="w", age=3.0)
        worker.mesh.publish("backlog", {"waiting": 0}, host="gamma", agent_id="w", age=61.0)
        assert worker.send("shortest") == "beta"


def test_the_reminder_sleeps(guide) -> None:
    with PagletHarness(guide.Reminder) as reminder:
        reminder.send("later", seconds=60)
        assert not reminder.is_active
