"""`paglets examples mesh-benchmark` and `grep` on real hosts."""

import json
from pathlib import Path

import pytest

from paglets.testing.localmesh import LocalMesh
from tests.process.examples.conftest import Run, left_over

pytestmark = pytest.mark.slow


def test_every_way_has_its_times_and_nothing_is_left(mesh: LocalMesh, run: Run):
    done = run(mesh, "mesh-benchmark", "--moves", "2", "--messages", "3", "--payload", "300KiB",
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = ["alpha", "beta", "gamma"]
    ways = {(way["source"], way["target"]): way for way in found["ways"]}
    assert set(ways) == {(one, two) for one in names for two in names if one != two}
    for way in ways.values():
        assert way["move_seconds"]["count"] == 2
        assert way["round_trip_seconds"]["count"] == 3
        assert 0 < way["move_seconds"]["p50"] <= way["move_seconds"]["p95"]
        assert way["bytes_per_second"] == 300 * 1024 / way["move_seconds"]["p50"]
    assert "clocks of two hosts are never compared" in found["clocks"]
    assert left_over(mesh) == []


def test_the_matrix_has_a_row_and_a_column_for_each_host(mesh: LocalMesh, run: Run):
    done = run(mesh, "mesh-benchmark", "--moves", "1", "--messages", "1", "--hosts",
               "alpha,beta,nobody")  # fmt: skip
    assert done.returncode == 1
    assert "nobody: no host of this name is known" in done.stderr
    head, first, second = done.stdout.splitlines()[1:4]
    assert head.split() == ["FROM", "/", "TO", "ALPHA", "BETA"]
    assert first.split()[:2] == ["alpha", "-"]
    assert second.split()[-1] == "-"


def test_a_search_finds_lines_on_every_host_and_leaves_nothing(
    mesh: LocalMesh, run: Run, searchable: Path
):
    (searchable / "a.log").write_text("fine\nan ERROR: [1]\n")
    done = run(mesh, "grep", "error: [", "-i", "-F", "--in", f"{searchable}/*.log")
    assert done.returncode == 0, done.stderr
    place = f"{searchable}/a.log:2:an ERROR: [1]"
    assert sorted(done.stdout.splitlines()) == [
        f"alpha:{place}", f"beta:{place}", f"gamma:{place}",
    ]  # fmt: skip
    assert "beta: 1 matches in 1 files" in done.stderr
    assert left_over(mesh) == []


def test_matches_come_as_json_lines_up_to_a_limit(mesh: LocalMesh, run: Run, searchable: Path):
    (searchable / "many.txt").write_text("x\n" * 1000)
    done = run(mesh, "grep", "x", "--in", f"{searchable}/*.txt", "--max-matches", "450",
               "--hosts", "beta", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["line"] for line in lines] == list(range(1, 451))
    assert "ended by 450 matches" in done.stderr


def test_a_pattern_that_is_none_is_wrong_usage(mesh: LocalMesh, run: Run):
    done = run(mesh, "grep", "(", "--in", "/etc/*")
    assert done.returncode == 2
    assert "unterminated" in done.stderr
