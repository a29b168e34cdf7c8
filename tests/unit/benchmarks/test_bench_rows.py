"""What `make bench` prints: every row, also those that fail or cannot be measured here."""

import json
import sys

import pytest

from benchmarks import run
from benchmarks.bench import Effort, NotMeasuredError
from benchmarks.figures import Figure, Goal, of_rates, of_rounds, of_values, show, table

GOAL = Goal("reply", "a reply", "ms", 2.0, "pipe 0.1")
RATE = Goal("rate", "replies", "/s", 100, more_is_better=True)


async def good(_effort: Effort) -> list[Figure]:
    return [Figure(GOAL, 1.5, (1.0, 2.0), 3)]


async def bad(_effort: Effort) -> list[Figure]:
    raise ValueError("no\nluck")


async def impossible(_effort: Effort) -> list[Figure]:
    raise NotMeasuredError("no engine answers")


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(run, "machine", lambda: {"cores": 2})
    monkeypatch.setattr(run, "ROWS", {"good": good, "bad": bad, "impossible": impossible})

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
        return run.main()

    return call


def test_a_row_that_fails_is_in_the_table_and_the_exit_code(rows, capsys):
    assert rows() == 1
    told = capsys.readouterr().out
    assert "| a reply | 1.50 ms | 1.00 to 2.00 | ≤ 2.00 | yes | pipe 0.1 |  |" in told
    assert "| bad | not measured |  |  |  |  | failed: ValueError: no luck |" in told


def test_what_this_machine_cannot_measure_is_told_and_no_failure(rows, capsys):
    assert rows("--only", "good", "--only", "impossible") == 0
    assert (
        "| impossible | not measured |  |  |  |  | no engine answers |" in capsys.readouterr().out
    )


def test_a_saved_run_is_compared_with(rows, capsys, tmp_path):
    saved = tmp_path / "before.json"
    rows("--only", "good", "--json", str(saved))
    found = json.loads(saved.read_text())
    assert (found["figures"][0]["value"], found["machine"]) == (1.5, {"cores": 2})
    found["figures"][0]["value"] = 3.0
    saved.write_text(json.dumps(found))
    rows("--only", "good", "--compare", str(saved))
    assert "| 3.00 (-50 %) |" in capsys.readouterr().out


def test_the_best_round_counts_and_all_are_told():
    figure = of_rounds(GOAL, [[0.003, 0.003], [0.001, 0.001, 0.002]], scale=1000)
    assert (figure.value, figure.spread, figure.samples) == (1.0, (1.0, 3.0), 5)
    assert of_rates(RATE, [50.0, 150.0], 7).value == 150.0
    assert of_values(GOAL, [1.0, 9.0, 2.0]).value == 2.0


def test_a_target_may_be_a_least_or_a_most():
    assert [Figure(RATE, value, (0, 0), 1).is_reached for value in (99.0, 100.0)] == [False, True]
    assert [Figure(GOAL, value, (0, 0), 1).is_reached for value in (2.0, 2.1)] == [True, False]
    assert "**no**" in table([Figure(GOAL, 2.1, (0, 0), 1)])


def test_numbers_have_three_digits():
    assert [show(value) for value in (0.123, 12.34, 1234.5)] == ["0.12", "12.3", "1,234"]


def test_every_figure_of_the_design_has_a_row():
    assert {"create", "memory", "message", "paglets", "dispatch", "dispatch-1g", "clones-1000"} <= (
        run.ROWS.keys()
    )
    assert {"sleep", "start", "help", "mesh-3", "mesh-16", "mesh-idle", "container"} <= (
        run.ROWS.keys()
    )
