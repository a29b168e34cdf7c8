"""`paglets examples grep`: searches the files of the hosts where they are."""

import re

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, say
from paglets.cli.params import ending_on_sigterm, names, size


@click.command()
@click.argument("pattern")
@click.option("--in", "globs", multiple=True, required=True, metavar="GLOB",
              help="Files, as absolute paths with * ? [] and **; repeatable.")  # fmt: skip
@click.option("--hosts", callback=names(), metavar="NAME,NAME", default="",
              help="Only these. Default: all that are online.")  # fmt: skip
@click.option("--ignore-case", "-i", is_flag=True, help="Upper and lower case are the same.")
@click.option("--fixed", "-F", is_flag=True, help="PATTERN is text, no regular expression.")
@click.option("--max-matches", type=click.IntRange(1, 100_000), default=1000, show_default=True,
              help="Of each host.")  # fmt: skip
@click.option("--max-bytes", callback=size(1), default="1GiB", show_default=True,
              metavar="SIZE", help="Read on each host.")  # fmt: skip
@click.option("--deadline", type=click.FloatRange(min=1), default=60.0, show_default=True,
              metavar="SECONDS", help="For all of it.")  # fmt: skip
@common
@click.pass_obj
def grep(  # noqa: PLR0913 - one parameter an option
    shared: Common,
    *,
    pattern: str,
    globs: tuple[str, ...],
    hosts: tuple[str, ...],
    ignore_case: bool,
    fixed: bool,
    max_matches: int,
    max_bytes: int,
    deadline: float,
) -> None:
    """Search files of the hosts for a regular expression.

    The search travels to the files; lines come back as they are found, with `--json` as one JSON
    object a line. What everybody may read on a host is searched, and what its owner names by
    `paglets host --property grep=FOLDER:FOLDER`. The exit code is 1 if a host was not searched.
    """
    from paglets.examples.crew import Phase  # these are not for `--help`
    from paglets.examples.grep.model import GrepPlan, Hit
    from paglets.examples.grep.running import run_grep

    plan = GrepPlan(
        pattern=re.escape(pattern) if fixed else pattern,
        globs=list(globs),
        hosts=list(hosts),
        is_case_ignored=ignore_case,
        most_matches=max_matches,
        most_bytes=max_bytes,
        deadline=deadline,
    )
    _check(plan.pattern, globs)

    def show(hit: Hit) -> None:
        if shared.json:
            print_json(hit, pretty=False)
        else:
            click.echo(f"{hit.host}:{hit.path}:{hit.line}:{hit.text}")

    warn_of_other_project()
    with shown(shared), ending_on_sigterm():
        rows = run_grep(shared.url, shared.key_file, plan, show)
    for row in rows:
        done = row.tally
        text = f"{done.matches} matches in {done.files} files, {done.read_bytes / 2**20:.1f} MiB"
        notes = [f"{done.unreadable} files not to be read" if done.unreadable else "",
                 f"ended by {done.cut}" if done.cut else "", row.reason]  # fmt: skip
        say(f"{row.host}: {'; '.join(filter(None, [text, *notes]))}")
    if not rows or any(row.phase is not Phase.DONE for row in rows):
        raise SystemExit(1)


def _check(pattern: str, globs: tuple[str, ...]) -> None:
    from paglets.examples.grep.globs import parse_glob

    try:
        re.compile(pattern)
        for text in globs:
            parse_glob(text)
    except (re.error, ValueError) as error:
        raise click.UsageError(f"{error}.") from error
