"""`paglets user …`: what paglets have to tell people, on all hosts of the mesh."""

from typing import TYPE_CHECKING

import click

from paglets.cli.asking import ask
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import clock_text, print_json, print_table, say, short_id
from paglets.cli.userread import ALL_HOSTS, SEVERITIES, follow, list_, reader_option
from paglets.model.enums import Severity

if TYPE_CHECKING:
    from paglets.remote.client import HostClient


@click.group(cls=SuggestingGroup)
@common
def user() -> None:
    """Read what paglets tell people, on all hosts; tell something."""


user.add_command(follow)
user.add_command(list_)


@user.command()
@reader_option
@host_option(ALL_HOSTS)
@common
@click.pass_obj
def ack(shared: Common, reader: str, host_name: str | None) -> None:
    """Acknowledge all there is, so that it is not shown again.

    To acknowledge exactly what you have seen, use `--ack` of `list` or `follow`.
    """
    from paglets.cli.userinfo import UserInfoCalls, acknowledge, of_each
    from paglets.system.user_info.contract import Reading

    nothing = Reading(reader=reader, notifications=False, streams=[])

    async def _work(host: "HostClient") -> None:
        calls = UserInfoCalls(host, host_name)
        ends = await of_each(calls, lambda provider: calls.read(provider, nothing))
        for provider, page in ends:
            await acknowledge(calls, provider, page, reader)
        if shared.json:
            print_json([{"host": each.host, "was": each.position, "now": each.next}
                        for _, each in ends])  # fmt: skip
            return
        for _, page in ends:
            say(f"{page.host}: {reader} has read up to {page.next}, before up to {page.position}")

    ask(shared, _work)


@user.command()
@click.argument("title")
@click.argument("text", default="")
@click.option("--severity", type=click.Choice(SEVERITIES), default="info", show_default=True,
              help="How grave it is.")  # fmt: skip
@host_option("Where it is kept. Default: the host that is asked, if it keeps any.")
@common
@click.pass_obj
def notify(shared: Common, *, title: str, text: str, severity: str, host_name: str | None) -> None:
    """Tell people something: TITLE, and TEXT with the rest of it."""
    from paglets.cli.userinfo import UserInfoCalls
    from paglets.system.user_info.contract import NOTIFY, Notice

    async def _work(host: "HostClient") -> None:
        calls = UserInfoCalls(host, host_name)
        provider = (await calls.require())[0]
        posted = await calls.call(provider, NOTIFY, Notice(title, text, Severity(severity)))
        if shared.json:
            print_json({"host": provider.host_name, "journal": posted.journal,
                        "sequence": posted.sequence})  # fmt: skip
            return
        say(f"{provider.host_name} keeps it as number {posted.sequence}")

    ask(shared, _work)


@user.command()
@host_option(ALL_HOSTS)
@common
@click.pass_obj
def streams(shared: Common, host_name: str | None) -> None:
    """List the streams; `paglets user list --stream NAME` shows the lines of one."""
    from paglets.cli.userinfo import UserInfoCalls, of_each
    from paglets.system.user_info.contract import STREAMS, StreamQuery

    async def _work(host: "HostClient") -> None:
        calls = UserInfoCalls(host, host_name)
        listed = await of_each(calls, lambda each: calls.call(each, STREAMS, StreamQuery()))
        if shared.json:
            print_json([listing for _, listing in listed])
            return
        print_table(
            ("stream", "host", "lines", "kept", "last line", "written by"),
            [
                (each.name, listing.host, each.appended, each.kept, clock_text(each.changed_at),
                 None if each.source is None else short_id(each.source.agent_id))
                for _, listing in listed
                for each in listing.streams
            ],
        )  # fmt: skip

    ask(shared, _work)
