"""`paglets events`: what happened on the hosts, so far or as it happens."""

import asyncio
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import ask
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import clock_text, print_json, say, short_id
from paglets.model.errors import PagletsError
from paglets.wire.hostbodies import EventBody, EventList

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

STREAM_SECONDS = 3600.0
"""A stream is opened anew after this, so that a dead connection does not last."""
REOPEN_SECONDS = 1.0
"""Before a broken stream is opened again."""
LOOK_SECONDS = 3.0
"""Between two looks for hosts that have joined."""
LEVELS = ["debug", "info", "warning", "error"]


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on as more happens; Ctrl-C ends it.")
@host_option("Only of this host. Default: all that are online.")
@click.option("--agent", "agent_id", metavar="ID", help="Only of the paglet with this whole id.")
@click.option("--kind", metavar="KIND", help="Only of this kind, such as dispatch or crash.")
@click.option("--level", type=click.Choice(LEVELS), help="At least so grave.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True,
              metavar="N", help="At most so many of those before now.")  # fmt: skip
@common
@click.pass_obj
def events(  # noqa: PLR0913 - one argument an option; click passes them so
    shared: Common,
    *,
    host_name: str | None,
    agent_id: str | None,
    kind: str | None,
    level: str | None,
    limit: int,
    follow: bool,
) -> None:
    """Show what happened on the hosts, in order of time."""
    asked = {"agent_id": agent_id, "kind": kind, "level": level}
    query = {name: value for name, value in asked.items() if value is not None}

    async def _work(host: "HostClient") -> None:
        if follow:
            await _follow(shared, host, query, host_name)
            return
        client = host if host_name is None else host.on_host(host_name)
        scope = {"scope": "mesh"} if host_name is None else {}
        listed = await client.events({**query, **scope, "limit": str(limit)})
        for name in listed.unreachable:
            say(f"no answer from {name}: its events are missing here")
        if shared.json:
            print_json(listed.events)
            return
        for event in listed.events:
            click.echo(line_of(event))

    ask(shared, _work, until_interrupt=follow)


def line_of(event: EventBody) -> str:
    """Return an event as a line for people."""
    mark = "" if event.level in {"info", "debug"} else f"{event.level.upper()} "
    who = "" if event.agent_id is None else f"  {short_id(event.agent_id)}"
    return f"{clock_text(event.time)}  {event.host_name}  {mark}{event.kind}{who}  {event.text}"


async def _follow(
    shared: Common, host: "HostClient", query: dict[str, str], host_name: str | None
) -> None:
    """Follow one stream a host; hosts that join later are followed too."""
    followed: set[str] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            if host_name is not None:
                names = {host_name}
            else:
                names = {each.name for each in (await host.hosts({"online": "true"})).hosts}
            for name in sorted(names - followed):
                task = _follow_host(shared, host, name, query, is_new=bool(followed))
                group.create_task(task, name=f"events of {name}")
            followed |= names
            await asyncio.sleep(LOOK_SECONDS)


async def _follow_host(
    shared: Common, host: "HostClient", name: str, query: dict[str, str], *, is_new: bool
) -> None:
    """Follow a host for ever: from now on, or from its beginning if it is new."""
    client = host.on_host(name)
    after, is_lost = 0 if is_new else None, False
    while True:
        try:
            if after is None:
                after = await _last(client)
            stream = client.follow_events({**query, "after": str(after)}, timeout=STREAM_SECONDS)
            async for batch in stream:
                after, is_lost = max(after, batch.next), False
                _show(shared, name, batch)
        except PagletsError as error:
            if not is_lost:
                say(f"lost {name}, trying again: {error}")
            is_lost = True
        await asyncio.sleep(REOPEN_SECONDS)


async def _last(client: "HostClient") -> int:
    """Return the sequence number of a host's last event."""
    after = 0
    while True:
        page = await client.events({"after": str(after), "limit": "1000"})
        if page.next <= after:
            return after
        after = page.next


def _show(shared: Common, name: str, batch: EventList) -> None:
    if batch.missed:
        say(f"{name}: {batch.missed} events were dropped before they could be read")
    for event in batch.events:
        if shared.json:
            print_json(event, pretty=False)
        else:
            click.echo(line_of(event))
