"""`paglets jobs …`: submits jobs, lists them on all hosts, says why they wait, ends them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import failed, shown
from paglets.cli.jobslines import print_hosts, print_info, print_jobs, print_outcome
from paglets.cli.jobsubmit import submit
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, say, working
from paglets.model.errors import PagletNotFoundError

if TYPE_CHECKING:
    from paglets.connect import Client


@click.group(cls=SuggestingGroup)
@common
def jobs() -> None:
    """Have things computed on hosts that have room for them."""


jobs.add_command(submit)


@contextmanager
def asking(shared: Common) -> "Iterator[Client]":
    """Give a client of the host that the options name; errors are shown in a line."""
    from paglets.connect import connect  # loads the HTTP stack, which `--help` must not

    warn_of_other_project()
    with shown(shared), connect(shared.url, shared.key_file) as client:
        yield client


@jobs.command("list")
@click.argument("prefix", default="")
@click.option("--open", "is_open", is_flag=True, help="Only jobs that have not ended.")
@host_option("Only jobs whose home this host is, or which are there.")
@common
@click.pass_obj
def list_(shared: Common, prefix: str, is_open: bool, host_name: str | None) -> None:
    """List the jobs of all hosts, or those whose ids begin with PREFIX."""
    from paglets.system.compute_slots.overview import MeshJobs

    with asking(shared) as client:
        told = MeshJobs(client.services).jobs(prefix)
    found = [
        info
        for info in told.jobs
        if not (is_open and info.phase.is_final) and host_name in {None, info.host, info.home}
    ]
    if shared.json:
        print_json({"jobs": found, "silent": told.silent})
    else:
        print_jobs(found)
    if told.silent:
        say(f"not answered: {', '.join(told.silent)}")


@jobs.command()
@click.argument("job")
@common
@click.pass_obj
def why(shared: Common, job: str) -> None:
    """Say why JOB is not further: every blocker, with its figures."""
    from paglets.system.compute_slots.overview import MeshJobs

    with asking(shared) as client:
        mesh = MeshJobs(client.services)
        answer = mesh.why(mesh.find(job).job_id)
    if shared.json:
        print_json(answer)
        return
    print_info(answer.job)
    for reason in answer.reasons:
        click.echo(reason)


@jobs.command()
@click.argument("job")
@common
@click.pass_obj
def cancel(shared: Common, job: str) -> None:
    """End JOB, wherever it is; one that computes is ended with its process.

    It comes home then, as one that was cancelled. Where its host is away it hears of it later.
    """
    from paglets.system.compute_slots.overview import MeshJobs

    with asking(shared) as client:
        mesh = MeshJobs(client.services)
        found = mesh.find(job)
        mesh.cancel(found.job_id)
    if shared.json:
        print_json({"job_id": found.job_id, "was": found.phase.value})
    else:
        say(f"{found.job_id} is to end; it was {found.phase.value}")


@jobs.command()
@click.argument("job")
@click.option("--wait", type=click.FloatRange(min=0), metavar="SECONDS", default=0.0,
              help="Wait so long for it to end.")  # fmt: skip
@click.option("--forget", is_flag=True, help="Give the outcome up; the id is free again.")
@common
@click.pass_obj
def result(shared: Common, *, job: str, wait: float, forget: bool) -> None:
    """Print what JOB returned; exit code 1 if it failed, was cancelled or has not ended."""
    from paglets.system.compute_slots.contract import JobPhase
    from paglets.system.compute_slots.handle import outcome_of
    from paglets.system.compute_slots.overview import MeshJobs

    with asking(shared) as client:
        mesh = MeshJobs(client.services)
        with working(f"waiting for {job}"):
            found = mesh.wait(mesh.find(job).job_id, wait)
        if not (found.phase.is_final or found.phase is JobPhase.RETURNING):
            hint = f"`paglets jobs why {found.job_id}` says why"
            raise failed(shared, f"{found.job_id} is {found.phase.value}", hint)
        try:
            proxy = client.proxy(found.job_id)
            outcome = outcome_of(proxy)
            if forget:
                proxy.dispose()
        except PagletNotFoundError as error:
            # Others hear a moment later that somebody has given it up.
            hint = "`paglets jobs list` shows what there is"
            raise failed(shared, f"no host knows a job {found.job_id} any more", hint) from error
    print_outcome(shared, found.job_id, outcome)


@jobs.command()
@common
@click.pass_obj
def hosts(shared: Common) -> None:
    """Show how full the hosts are with jobs."""
    from paglets.system.compute_slots.overview import MeshJobs

    with asking(shared) as client:
        found = MeshJobs(client.services).statistics()
    if shared.json:
        print_json(found)
    else:
        print_hosts(found)
