"""`paglets user follow` and `list`: what is told on all hosts, as it comes or so far."""

import getpass
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from paglets.cli.asking import ask
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, say
from paglets.model.enums import Severity

if TYPE_CHECKING:
    from paglets.cli.userinfo import UserInfoCalls
    from paglets.remote.client import HostClient
    from paglets.system.user_info.contract import Entry, Page, Reading
    from paglets.wire.bodies import ServiceBody

F = TypeVar("F", bound=Callable[..., Any])

ALL_HOSTS = "Only of this host. Default: all of the mesh."
SEVERITIES = [each.value for each in Severity]


def login_name() -> str:
    """Return who uses this terminal, as a name of a reader."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        name = ""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:64] or "somebody"


reader_option = click.option(
    "--reader", envvar="PAGLETS_READER", show_envvar=True, metavar="NAME", default=login_name,
    help="Who reads; each has a place of their own. Default: your login name.",
)  # fmt: skip


def reading_options(command: F) -> F:
    """Give a command the options that say what is read."""
    for option in (
        reader_option,
        click.option("--stream", "streams", multiple=True, metavar="NAME",
                     help="Lines of this stream, and no notifications; repeatable."),
        click.option("--severity", type=click.Choice(SEVERITIES), default="info",
                     show_default=True, help="Only notifications at least so grave."),
        click.option("--ack", is_flag=True, help="Acknowledge what is shown."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.option("--from", "begin", type=click.Choice(["unread", "all", "now"]), default="unread",
              show_default=True, help="Where to begin.")  # fmt: skip
@reading_options
@host_option(ALL_HOSTS)
@common
@click.pass_obj
def follow(  # noqa: PLR0913 - one argument an option; click passes them so
    shared: Common,
    *,
    begin: str,
    ack: bool,
    severity: str,
    streams: tuple[str, ...],
    reader: str,
    host_name: str | None,
) -> None:
    """Show notifications and lines of streams as they come; Ctrl-C ends it.

    Each host's come in their order and once. Hosts that end are waited for, those that join are
    followed too.
    """
    from paglets.cli.userfollow import Begin, Follower
    from paglets.cli.userinfo import UserInfoCalls

    wanted = _wanted(reader, severity, streams, ack=ack)

    async def _work(host: "HostClient") -> None:
        calls = UserInfoCalls(host, host_name)
        await calls.require()
        say(f"following the mesh of {host.url}; Ctrl-C ends it")
        printer = _Printer(shared, calls, reader if ack else None)
        await Follower(calls, printer, wanted, Begin(begin)).run()

    ask(shared, _work, until_interrupt=True)


@click.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also what was acknowledged.")
@reading_options
@host_option(ALL_HOSTS)
@common
@click.pass_obj
def list_(  # noqa: PLR0913 - one argument an option; click passes them so
    shared: Common,
    *,
    is_all: bool,
    ack: bool,
    severity: str,
    streams: tuple[str, ...],
    reader: str,
    host_name: str | None,
) -> None:
    """Show the notifications that are not acknowledged yet, or all lines of streams."""
    from paglets.cli.userinfo import UserInfoCalls, acknowledge, of_each
    from paglets.cli.userlines import as_json, as_text, in_order

    wanted = _wanted(reader, severity, streams, ack=ack)
    wanted = replace(wanted, streams=list(streams), after=0 if is_all or streams else wanted.after)

    async def _work(host: "HostClient") -> None:
        calls = UserInfoCalls(host, host_name)
        journals = await of_each(calls, lambda provider: calls.pages(provider, wanted))
        found = in_order(pages for _, pages in journals)
        if shared.json:
            print_json([as_json(each) for each in found])
        for each in () if shared.json else found:
            click.echo(as_text(each))
        for provider, pages in journals:
            missed = sum(page.missed for page in pages)
            if missed:
                say(f"{provider.host_name}: {missed} entries were dropped before they were read")
            if ack:
                await acknowledge(calls, provider, pages[-1], reader)

    ask(shared, _work)


class _Printer:
    """Prints what a follower is told.

    Args:
        shared: Says whether as JSON.
        calls: For acknowledging.
        reader: Who acknowledges what is printed; None: nobody.
    """

    def __init__(self, shared: Common, calls: "UserInfoCalls", reader: str | None) -> None:
        self._shared = shared
        self._calls = calls
        self._reader = reader

    async def told(self, provider: "ServiceBody", page: "Page", entries: "list[Entry]") -> None:
        """Print new entries."""
        from paglets.cli.userinfo import acknowledge
        from paglets.cli.userlines import as_json, as_text, entries_of

        for each in entries_of(page, entries):
            if self._shared.json:
                print_json(as_json(each), pretty=False)
            else:
                click.echo(as_text(each))
        if self._reader is not None and page.next > page.position:
            await acknowledge(self._calls, provider, page, self._reader)

    def say(self, text: str) -> None:
        """Tell what is no entry."""
        say(text)


def _wanted(reader: str, severity: str, streams: tuple[str, ...], *, ack: bool) -> "Reading":
    from paglets.system.user_info.contract import Reading

    if ack and (streams or severity != Severity.INFO):
        raise click.UsageError(
            "--ack takes note of all up to what is shown; leave out --severity and --stream."
        )
    return Reading(
        reader=reader,
        severity=Severity(severity),
        notifications=not streams,
        streams=list(streams) or None,
    )
