"""`paglets transfer …`: moves as both sides remember them, and settling what never will."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import ask
from paglets.cli.ids import find_paglet, unique
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import clock_text, print_json, print_table, say, short_ids
from paglets.model.enums import TransferRole
from paglets.model.errors import PagletNotFoundError, PagletsError, TransferNotFoundError
from paglets.wire.bodies import TransferInfo

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

PAGE = "1000"
ROLES = [role.value for role in TransferRole]


@dataclass(frozen=True)
class Seen:
    """A transfer and the host that remembers it."""

    host_name: str
    info: TransferInfo


@dataclass(frozen=True)
class Unsettled:
    """What is to be settled, and where."""

    host_name: str
    settle_id: str
    """Id of a transfer, or of a paglet that is held."""
    agent_id: str


@click.group(cls=SuggestingGroup)
@common
def transfer() -> None:
    """List moves and settle those in doubt."""


@transfer.command("list")
@click.option("--in-doubt", is_flag=True, help="Only those that wait for the other side.")
@click.option("--role", type=click.Choice(ROLES), help="Only those where the host is this side.")
@host_option("Only those this host remembers.")
@common
@click.pass_obj
def list_(shared: Common, role: str | None, host_name: str | None, *, in_doubt: bool) -> None:
    """List the transfers that the hosts remember."""
    query = {"limit": PAGE}
    if in_doubt:
        query["in_doubt"] = "true"
    if role is not None:
        query["role"] = role

    async def _work(host: "HostClient") -> None:
        _show(shared, await _all(host, query, host_name))

    ask(shared, _work)


@transfer.command()
@click.argument("transfer_id", metavar="ID")
@click.option("--resume", "action", flag_value="resume", help="The paglet lives on at the source.")
@click.option("--drop", "action", flag_value="drop", help="The source gives the paglet up.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@host_option("The host that is to settle it. Default: its source.")
@common
@click.pass_obj
def resolve(
    shared: Common, transfer_id: str, action: str | None, host_name: str | None, *, yes: bool
) -> None:
    """Settle by your word a transfer whose other side never will answer, or a held paglet.

    ID is of the transfer or of the paglet. Only when the other host is gone for good: what you say
    here wins over what it says later.
    """
    if action is None:
        raise click.UsageError("Say --resume or --drop.")

    async def _work(host: "HostClient") -> None:
        found = await _find(host, transfer_id, host_name)
        if not yes:
            question = f"{action} paglet {found.agent_id} on {found.host_name}?"
            await asyncio.to_thread(click.confirm, question, abort=True, err=True)
        settled = await host.on_host(found.host_name).resolve(found.settle_id, action)
        if shared.json:
            print_json(settled)
        elif settled.transfer_id:
            say(f"transfer {settled.transfer_id} is settled: {settled.outcome}")
        else:
            say(f"paglet {settled.agent_id} on {found.host_name} is {settled.outcome}")

    ask(shared, _work)


async def _all(host: "HostClient", query: dict[str, str], host_name: str | None) -> list[Seen]:
    """Return the transfers of one host or of all online, each with who remembers it."""
    if host_name is not None:
        names = [host_name]
    else:
        names = [each.name for each in (await host.hosts({"online": "true"})).hosts]
    pages = await asyncio.gather(
        *(_of_host(host, name, query) for name in names), return_exceptions=True
    )
    found: list[Seen] = []
    for name, page in zip(names, pages, strict=True):
        if isinstance(page, PagletsError) and len(names) > 1:
            say(f"no answer from {name}: its transfers are missing here")
        elif isinstance(page, BaseException):
            raise page
        else:
            found.extend(page)
    return found


async def _of_host(host: "HostClient", name: str, query: dict[str, str]) -> list[Seen]:
    client, found = host.on_host(name), list[Seen]()
    while True:
        page = await client.transfers(query)
        found.extend(Seen(name, info) for info in page.transfers)
        if page.next is None:
            return found
        query = {**query, "after": page.next}


async def _find(host: "HostClient", text: str, host_name: str | None) -> Unsettled:
    """Return the transfer, else the paglet, whose id starts so.

    Raises:
        TransferNotFoundError: There is neither.
    """
    seen = await _all(host, {"limit": PAGE}, host_name)
    transfer_id = unique(text, [each.info.transfer_id for each in seen], "transfer")
    sides = [each for each in seen if each.info.transfer_id == transfer_id]
    if sides:
        sources = [each for each in sides if each.info.role == TransferRole.SOURCE]
        side = (sources or sides)[0]
        return Unsettled(side.host_name, side.info.transfer_id, side.info.agent_id)
    try:
        paglet = await find_paglet(host, text)
    except PagletNotFoundError as error:
        raise TransferNotFoundError(
            f"no host remembers a transfer or a paglet that starts with {text!r}"
        ) from error
    return Unsettled(host_name or paglet.info.host_name, paglet.agent_id, paglet.agent_id)


def _show(shared: Common, found: list[Seen]) -> None:
    if shared.json:
        print_json([{"host": each.host_name, "transfer": each.info} for each in found])
        return
    ids = short_ids([each.info.transfer_id for each in found])
    paglets = short_ids([each.info.agent_id for each in found])
    print_table(
        ("id", "host", "role", "kind", "paglet", "peer", "outcome", "since", "note"),
        [
            (
                ids[each.info.transfer_id],
                each.host_name,
                each.info.role,
                each.info.kind,
                paglets[each.info.agent_id],
                each.info.peer.name,
                "in doubt" if each.info.in_doubt else each.info.outcome,
                clock_text(each.info.created_at),
                each.info.last_error,
            )
            for each in found
        ],
    )
