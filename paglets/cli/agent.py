"""`paglets agent …`: create paglets, look at them, send them messages.

The verbs that move them, put them to sleep and end them are in lifecycle.py.
"""

import asyncio
from typing import TYPE_CHECKING

import click
import msgspec

from paglets.cli import lifecycle
from paglets.cli.asking import ask
from paglets.cli.ids import Found, find_paglet, owners
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import (
    clock_text,
    print_facts,
    print_json,
    print_table,
    print_value,
    say,
    short_id,
    short_ids,
    working,
)
from paglets.cli.values import parse_pairs
from paglets.model.enums import PagletStatus, Priority
from paglets.model.message import Message
from paglets.model.names import new_id, parse_class_name, parse_name
from paglets.wire import bodies
from paglets.wire.messages import WireMessage, encode_message, wire_message

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

PAGE = "1000"
FOLLOW_SECONDS = 0.5
"""Between two looks at a paglet's output."""
FOLLOW_LINES = 1000
"""Most lines that are seen of those printed between two looks."""
STATUSES = [status.value for status in PagletStatus]


@click.group(cls=SuggestingGroup)
@common
def agent() -> None:
    """Create, list, message, move and end paglets.

    A paglet is named by its id or the beginning of it, wherever in the mesh it is.
    """


@agent.command()
@click.argument("class_name", metavar="CLASS")
@click.argument("fields", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--state", metavar="JSON", help="Fields of its State as a JSON object.")
@click.option("--id", "agent_id", metavar="ID", help="A fixed id. Default: a new one.")
@host_option("Host to create it on. Default: the one that is asked.")
@common
@click.pass_obj
def create(
    shared: Common,
    *,
    class_name: str,
    fields: tuple[str, ...],
    state: str | None,
    agent_id: str | None,
    host_name: str | None,
) -> None:
    """Create a paglet of CLASS (module:QualName) and print its id.

    KEY=VALUE are fields of its State; a value is JSON where it reads as JSON, else text.
    """
    values = parse_pairs(fields, state, "--state")

    async def _work(host: "HostClient") -> None:
        if agent_id is not None:
            parse_name(agent_id, what="agent id")
        body = bodies.CreateBody(
            class_name=parse_class_name(class_name),
            state=msgspec.Raw(msgspec.json.encode(values)) if values else bodies.ABSENT,
            agent_id=agent_id,
        )
        client = host if host_name is None else host.on_host(host_name)
        with working(f"creating {class_name}"):
            ref = await client.create(body, key=new_id())
        if shared.json:
            print_json(ref)
            return
        click.echo(ref.agent_id)
        say(f"created {class_name} on {ref.host_name or ref.host_url}")

    ask(shared, _work)


@agent.command("list")
@host_option("Only paglets of this host.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those in this status.")
@click.option("--class", "class_name", metavar="CLASS", help="Only those of this class.")
@click.option("--all", "every", is_flag=True, help="Also where paglets have been: tombstones.")
@common
@click.pass_obj
def list_(
    shared: Common,
    host_name: str | None,
    status: str | None,
    class_name: str | None,
    *,
    every: bool,
) -> None:
    """List the paglets of all hosts."""

    async def _work(host: "HostClient") -> None:
        query = {"limit": PAGE, "scope": "mesh"}
        if host_name is not None:
            host, query = host.on_host(host_name), {"limit": PAGE}
        if status is not None:
            query["status"] = status
        if class_name is not None:
            query["class"] = class_name
        found, silent = await _pages(host, query)
        if not every and status is None:
            present = {(info.agent_id, info.host_name) for info in owners(found).values()}
            found = [
                info
                for info in found
                if (info.agent_id, info.host_name) in present and info.status != PagletStatus.MOVED
            ]
        _show_list(shared, found, silent)

    ask(shared, _work)


@agent.command()
@click.argument("paglet", metavar="ID")
@common
@click.pass_obj
def show(shared: Common, paglet: str) -> None:
    """Show what is known of a paglet."""

    async def _work(host: "HostClient") -> None:
        info = (await find_paglet(host, paglet)).info
        if shared.json:
            print_json(info)
            return
        print_facts(
            {
                "id": info.agent_id,
                "class": info.class_name,
                "status": info.status,
                "host": f"{info.host_name} {info.host_url}".strip(),
                "pid": info.pid,
                "queued": info.queued,
                "state": f"{info.state_bytes} bytes",
                "durability": info.durability,
                "moves": info.epoch.hops,
                "created": clock_text(info.created_at) if info.created_at else None,
                "changed": clock_text(info.changed_at) if info.changed_at else None,
                "wakes at": clock_text(info.activate_at) if info.activate_at else None,
                "transfer": info.transfer_id,
                "peer": info.peer.name if info.peer else None,
                "error": info.error,
            }
        )

    ask(shared, _work)


@agent.command()
@click.argument("paglet", metavar="ID")
@common
@click.pass_obj
def state(shared: Common, paglet: str) -> None:
    """Print a paglet's State as JSON; its handlers are not waited for."""

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        print_json(msgspec.json.decode(await found.host.state(found.agent_id)))

    ask(shared, _work)


@agent.command()
@click.argument("paglet", metavar="ID")
@click.argument("kind")
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--args", "whole", metavar="JSON", help="The arguments as a JSON object.")
@click.option(
    "--timeout", default=30.0, show_default=True, metavar="SECONDS", help="For the reply."
)
@click.option(
    "--priority",
    type=click.IntRange(Priority.UNQUEUED, Priority.MAX),
    default=int(Priority.NORMAL),
    show_default=True,
    help="10 is handled first; 0 at once, beside the current handler.",
)
@click.option("--oneway", is_flag=True, help="Do not wait for the reply.")
@click.option(
    "--retry-for",
    type=click.FloatRange(0, 600),
    default=0.0,
    metavar="SECONDS",
    help="Repeat it under one id that long; it is handled once.",
)
@common
@click.pass_obj
def send(  # noqa: PLR0913 - one argument an option; click passes them so
    shared: Common,
    *,
    paglet: str,
    kind: str,
    arguments: tuple[str, ...],
    whole: str | None,
    timeout: float,
    priority: int,
    oneway: bool,
    retry_for: float,
) -> None:
    """Send a message of KIND to a paglet and print the reply.

    A VALUE is JSON where it reads as JSON, else text.
    """
    message = Message(kind, parse_pairs(arguments, whole, "--args"), priority=priority)
    outgoing = wire_message(message, oneway=oneway, timeout=timeout, retry_for=retry_for)

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        with working(f"waiting for {short_id(found.agent_id)}"):
            reply = await _sent(found, outgoing)
        _show_reply(shared, found, reply)

    ask(shared, _work)


@agent.command()
@click.argument("paglet", metavar="ID")
@click.option("--tail", default=200, show_default=True, metavar="N", help="Last lines to show.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the paglet prints more.")
@common
@click.pass_obj
def logs(shared: Common, paglet: str, tail: int, *, follow: bool) -> None:
    """Print what a paglet has printed; kept after its end, too."""

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        body = await found.host.logs(found.agent_id, tail=tail)
        if shared.json:
            print_json(body)
        else:
            _print_lines(body.lines)
        if follow:
            await _follow(host, found, body)

    ask(shared, _work, until_interrupt=follow)


for _verb in lifecycle.VERBS:
    agent.add_command(_verb)


def new_lines(seen: bodies.LogBody, now: bodies.LogBody) -> tuple[str, ...]:
    """Return the lines of `now` that come after those of `seen`, by their numbers."""
    after = seen.start + len(seen.lines)
    return now.lines[max(after - now.start, 0) :]


async def _follow(host: "HostClient", found: Found, seen: bodies.LogBody) -> None:
    """Print new lines for ever, also after the paglet has moved."""
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        before = found.info.host_name
        found = await find_paglet(host, found.agent_id)
        if found.info.host_name != before:
            say(f"{short_id(found.agent_id)} moved to {found.info.host_name}")
            seen = bodies.LogBody(agent_id=found.agent_id, lines=())
        body = await found.host.logs(found.agent_id, tail=FOLLOW_LINES)
        _print_lines(new_lines(seen, body))
        seen = body


async def _pages(
    host: "HostClient", query: dict[str, str]
) -> tuple[list[bodies.AgentInfo], set[str]]:
    found: list[bodies.AgentInfo] = []
    silent: set[str] = set()
    while True:
        page = await host.list_agents(query)
        found.extend(page.agents)
        silent.update(page.unreachable)
        if page.next is None:
            return found, silent
        query = {**query, "after": page.next}


async def _sent(found: Found, message: WireMessage) -> bodies.ReplyBody:
    """Send a message, again and again under its id where it asks for that."""
    from paglets.repeating import may_be_handled_later, never, repeat  # the HTTP stack

    timeout, retry_for = message.budget_ms / 1000, message.retry_for_ms / 1000

    async def attempt(number: int, left: float) -> bodies.ReplyBody:
        allowed = min(timeout, left)
        sent = msgspec.structs.replace(message, attempt=number, budget_ms=int(allowed * 1000))
        return await found.host.send(found.agent_id, encode_message(sent), timeout=allowed)

    worth = may_be_handled_later if retry_for else never
    return await repeat(attempt, seconds=max(timeout, retry_for), is_worth_repeating=worth)


def _show_list(shared: Common, found: list[bodies.AgentInfo], silent: set[str]) -> None:
    for name in sorted(silent):
        say(f"no answer from {name}: its paglets are missing here")
    if shared.json:
        print_json(found)
        return
    shown = short_ids([info.agent_id for info in found])
    print_table(
        ("id", "class", "status", "host", "queued", "note"),
        [
            (
                shown[info.agent_id],
                info.class_name,
                info.status,
                info.host_name,
                info.queued,
                info.error or (f"to {info.peer.name}" if info.peer else None),
            )
            for info in found
        ],
    )


def _show_reply(shared: Common, found: Found, reply: bodies.ReplyBody) -> None:
    if shared.json:
        print_json(reply)
        return
    if reply.moved and reply.address is not None:
        where = reply.address.host_name or reply.address.host_url
        say(f"{short_id(found.agent_id)} moved to {where}")
    elif reply.stored:
        say(f"{short_id(found.agent_id)} is asleep; the message is stored with it")
    else:
        print_value(msgspec.json.decode(reply.reply))


def _print_lines(lines: tuple[str, ...]) -> None:
    for line in lines:
        click.echo(line)
