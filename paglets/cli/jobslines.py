"""How jobs are shown to people: tables, lines, outcomes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from paglets.cli.errors import failed
from paglets.cli.options import Common
from paglets.cli.output import clock_text, print_facts, print_json, print_table, print_value

if TYPE_CHECKING:
    from paglets.system.compute_slots.contract import JobInfo, JobOutcome, SlotStatistics


def print_jobs(found: "Sequence[JobInfo]") -> None:
    """Print a table of jobs."""
    print_table(
        ("job", "class", "phase", "host", "home", "priority", "submitted", "text"),
        [
            (
                info.job_id,
                info.class_name,
                _phase(info),
                info.host,
                info.home,
                info.priority,
                clock_text(info.submitted_at),
                info.text,
            )
            for info in found
        ],
    )


def print_info(info: "JobInfo") -> None:
    """Print what is known of one job."""
    print_facts(
        {
            "job": info.job_id,
            "class": info.class_name,
            "phase": f"{_phase(info)} since {clock_text(info.since)}",
            "host": info.host,
            "home": info.home,
            "priority": info.priority,
        }
    )


def print_outcome(shared: Common, job_id: str, outcome: "JobOutcome") -> None:
    """Print the result of a job, or fail with what it ended by."""
    if shared.json:
        print_json({"job_id": job_id, "outcome": outcome})
        if outcome.phase.value != "done":
            raise SystemExit(1)
        return
    failure = outcome.failure
    if failure is not None:
        click.echo(failure.traceback, err=True, nl=False)
        tries = f" in attempt {outcome.attempts}" if outcome.attempts > 1 else ""
        text = f"{job_id} failed on {outcome.host}{tries}: {failure.type}: {failure.message}"
        raise failed(shared, text, "")
    if outcome.phase.value == "cancelled":
        raise failed(shared, f"{job_id} was cancelled", "")
    print_value(outcome.result)


def print_hosts(found: "Sequence[SlotStatistics]") -> None:
    """Print how full hosts are."""
    print_table(
        ("host", "cores", "memory", "temp", "load/cpu", "running", "queued", "at home"),
        [
            (
                each.host_name,
                f"{each.cores_granted:g} of {each.cores:g}",
                _share(each.memory_granted_bytes, each.memory_bytes),
                _share(each.temp_granted_bytes, each.temp_bytes),
                f"{each.load_per_cpu:.2f}",
                each.running,
                each.queued,
                each.at_home,
            )
            for each in found
        ],
    )


def _share(granted: int, total: int) -> str:
    return f"{granted / 2**30:.1f} of {total / 2**30:.1f} GiB"


def _phase(info: "JobInfo") -> str:
    return f"{info.phase.value}, to end" if info.is_cancelled else info.phase.value
