"""`paglets jobs submit`: makes a job and, if asked to, waits for its result."""

from typing import TYPE_CHECKING

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.jobslines import print_outcome
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, say, working
from paglets.cli.params import given, names, size
from paglets.cli.values import parse_pairs
from paglets.model.message import JsonValue

if TYPE_CHECKING:
    from paglets.system.compute_slots.contract import JobOutcome, JobWishes
    from paglets.system.compute_slots.handle import JobHandle


@click.command()
@click.argument("job_class", metavar="CLASS")
@click.argument("fields", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--state", "whole", metavar="JSON", help="Its State as a JSON object.")
@click.option("--id", "job_id", metavar="ID",
              help="Submitted again under it, it is the same job and runs once.")  # fmt: skip
@click.option("--cores", type=click.FloatRange(min=0.01), metavar="N",
              help="Cores' worth of time.")  # fmt: skip
@click.option("--memory", "memory_bytes", callback=given(size(0)), metavar="SIZE",
              help="Most memory it takes, such as 2G.")  # fmt: skip
@click.option("--temp", "temp_bytes", callback=given(size(0)), metavar="SIZE",
              help="Most space it takes in its work folder.")  # fmt: skip
@click.option("--max-load", "max_load_per_cpu", type=click.FloatRange(min=0, min_open=True),
              metavar="N", help="Most load for each CPU at which it begins.")  # fmt: skip
@click.option("--tag", "tags", callback=given(names()), metavar="TAG,TAG",
              help="Only on hosts with all of these.")  # fmt: skip
@click.option("--priority", type=click.IntRange(1, 10), metavar="1-10",
              help="The highest is served first. Default: what the class says, 5.")  # fmt: skip
@click.option("--attempts", "max_attempts", type=click.IntRange(min=1), metavar="N",
              help="How often it is begun where it ends badly.")  # fmt: skip
@click.option("--keep", "keep_seconds", type=click.FloatRange(min=0), metavar="SECONDS",
              help="How long its outcome is kept at home.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for it to end and print its result.")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600.0, show_default=True,
              metavar="SECONDS", help="Longest wait.")  # fmt: skip
@host_option("Its home. Default: the host that is asked.")
@common
@click.pass_obj
def submit(  # noqa: PLR0913 - one parameter an option; what it wishes comes together
    shared: Common,
    /,
    *,
    job_class: str,
    fields: tuple[str, ...],
    whole: str | None,
    job_id: str | None,
    wait: bool,
    timeout: float,
    host_name: str | None,
    **wished: object,
) -> None:
    """Submit a job of CLASS, a ComputeJob as `module:Class`, and print its id.

    Its needs are those of the class unless said otherwise here. It runs on the host that suits best
    and comes home with its outcome, which is kept there. With --wait the exit code is 1 if it
    failed or was cancelled.
    """
    from paglets.connect import connect  # these load the HTTP stack, which `--help` must not
    from paglets.system.compute_slots.handle import submit_job

    state = _state_of(fields, whole)
    warn_of_other_project()
    with shown(shared), connect(shared.url, shared.key_file) as client:
        wishes = _wishes(wished)
        job = submit_job(client, job_class, state, job_id=job_id, wishes=wishes, home=host_name)
        outcome = _wait(job, timeout) if wait else None
    if not job.is_new:
        say(f"{job.job_id} was submitted before: it is the same job")
    if outcome is not None:
        print_outcome(shared, job.job_id, outcome)
    elif shared.json:
        print_json({"job_id": job.job_id, "is_new": job.is_new})
    else:
        click.echo(job.job_id)


def _state_of(fields: tuple[str, ...], whole: str | None) -> dict[str, JsonValue]:
    return parse_pairs(fields, whole, "--state")


def _wishes(wished: dict[str, object]) -> "JobWishes":
    import msgspec

    from paglets.system.compute_slots.contract import JobWishes

    given = {key: value for key, value in wished.items() if value is not None}
    return msgspec.convert(given, JobWishes)


def _wait(job: "JobHandle", timeout: float) -> "JobOutcome":
    try:
        with working(f"waiting for {job.job_id}"):
            return job.wait(timeout)
    except KeyboardInterrupt:
        say(f"{job.job_id} goes on; `paglets jobs result {job.job_id}` prints its result")
        raise SystemExit(130) from None
