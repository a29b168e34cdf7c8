"""`paglets jobs …` against real hosts."""

import json
import os
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from paglets import JobPhase
from paglets.cli.root import root
from tests.process.compute.stage import PATIENCE, Stage

pytestmark = pytest.mark.slow

Run = Callable[..., Result]


@pytest.fixture
def run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `paglets jobs …` against alpha; what it submits is ended with the stage."""
    for name in list(os.environ):
        if name.startswith("PAGLETS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PAGLETS_URL", stage.mesh["alpha"].url)
    monkeypatch.setenv("PAGLETS_KEY_FILE", str(stage.mesh.key_file))

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(root, ["jobs", *words], catch_exceptions=False)

    return invoke


def test_submit_waits_for_the_result_and_prints_it(run: Run):
    done = run("submit", "jobs:Sum", "numbers=[1, 2]", "--wait", "--timeout", "20")
    assert (done.exit_code, done.stdout) == (0, "3\n")


def test_submit_prints_the_id_by_which_result_finds_it(run: Run, stage: Stage):
    job_id = run("submit", "jobs:Sum", "--state", '{"numbers": [4]}').stdout.strip()
    assert job_id.startswith("job-")
    found = run("result", job_id[:-2], "--wait", "20")
    assert found.stdout == "4\n", found.output
    forgotten = run("result", job_id, "--forget")
    assert forgotten.stdout == "4\n", forgotten.output
    gone = run("result", job_id)
    assert (gone.exit_code, "no host knows a job" in gone.stderr) == (1, True), gone.output


def test_a_job_submitted_again_under_its_id_is_not_run_again(run: Run, stage: Stage):
    assert run("submit", "jobs:Sum", "numbers=[1]", "--id", "cli-once", "--wait").stdout == "1\n"
    again = run("submit", "jobs:Sum", "numbers=[2]", "--id", "cli-once", "--wait")
    assert (again.stdout, "submitted before" in again.stderr) == ("1\n", True)
    run("result", "cli-once", "--forget")


def test_what_is_asked_for_on_the_command_line_counts_before_the_class(run: Run, stage: Stage):
    given = ("--cores", "0.5", "--memory", "1M", "--temp", "1M", "--priority", "7")
    job = stage.gate()
    stage.wait_begun(job)
    made = run("submit", "jobs:Gate", f"folder={stage.folder}", "--id", "wished", *given)
    assert made.exit_code == 0, made.output
    stage.handles.append(stage.submit("Gate", job_id="wished"))
    stage.wait_begun(stage.handles[-1])
    (row,) = json.loads(run("list", "wished", "--json").stdout)["jobs"]
    assert (row["cores"], row["priority"], row["phase"]) == (0.5, 7, "running")
    (busy,) = [
        each
        for each in json.loads(run("hosts", "--json").stdout)
        if each["host_name"] == row["host"]
    ]
    assert busy["memory_granted_bytes"] == 2**20


def test_list_shows_the_jobs_of_all_hosts(run: Run, stage: Stage):
    first, second = stage.gate(), stage.gate(at="beta")
    for job in (first, second):
        stage.wait_begun(job)
    stage.go(first)
    first.wait(PATIENCE)
    lines = {line.split()[0]: line.split() for line in run("list", "job-").stdout.splitlines()}
    assert lines[first.job_id][2] == "done"
    assert lines[second.job_id][2] == "running"
    still = run("list", "--open", "--host", "beta").stdout
    assert second.job_id in still
    assert first.job_id not in still


def test_why_says_what_is_missing(run: Run, stage: Stage):
    job = stage.gate(cores=77.0)
    stage.wait_asleep(job, JobPhase.PLACING)
    told = run("why", job.job_id)
    assert told.exit_code == 0
    assert "placing since" in told.stdout
    assert "beta: needs 77 cores, the host has 1 for jobs" in told.stdout
    assert json.loads(run("why", job.job_id, "--json").stdout)["job"]["phase"] == "placing"


def test_cancel_ends_a_job_and_result_says_so(run: Run, stage: Stage):
    job = stage.gate()
    stage.wait_begun(job)
    assert "it was running" in run("cancel", job.job_id).stderr
    job.wait(PATIENCE)
    told = run("result", job.job_id)
    assert (told.exit_code, "was cancelled" in told.stderr) == (1, True)
    again = run("cancel", job.job_id)
    assert (again.exit_code, "has ended: cancelled" in again.stderr) == (1, True)


def test_a_failed_job_is_told_with_its_traceback_and_exit_code_one(run: Run, stage: Stage):
    failed = run("submit", "jobs:Raising", "--id", "cli-fails", "--wait")
    assert failed.exit_code == 1
    assert "failed on" in failed.stderr
    assert "ZeroDivisionError: nothing to divide by" in failed.stderr
    assert "in compute" in failed.stderr
    as_json = run("result", "cli-fails", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["outcome"]["failure"]["type"] == "ZeroDivisionError"
    run("result", "cli-fails", "--forget")


def test_a_job_that_has_not_ended_has_no_result_yet(run: Run, stage: Stage):
    job = stage.gate()
    stage.wait_begun(job)
    told = run("result", job.job_id)
    assert told.exit_code == 1
    assert f"`paglets jobs why {job.job_id}` says why" in told.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("submit", "jobs:Ordinary"), 1, "no ComputeJob"),
        (("submit", "nowhere"), 1, "module:QualName"),
        (("submit", "jobs:Sum", "numbers=x"), 1, "numbers"),
        (("submit", "jobs:Sum", "--cores", "0"), 2, "--cores"),
        (("submit", "jobs:Sum", "--memory", "much"), 2, "no size"),
        (("submit", "jobs:Sum", "--priority", "11"), 2, "1<=x<=10"),
        (("submit", "jobs:Sum", "--host", "nowhere"), 1, "compute-slots"),
        (("why", "nobody"), 1, "no host knows a job nobody"),
        (("cancel", "nobody"), 1, "no host knows a job nobody"),
    ],
)
def test_bad_input_is_told_in_a_line(run: Run, words, code, text):
    told = run(*words)
    assert told.exit_code == code
    assert text in told.stderr


def test_an_ambiguous_beginning_names_the_jobs(run: Run, stage: Stage):
    for job_id in ("twin-1", "twin-2"):
        stage.submit("Sum", job_id=job_id).wait(PATIENCE)
    told = run("result", "twin-")
    assert (told.exit_code, "twin-1, twin-2" in told.stderr) == (1, True)
