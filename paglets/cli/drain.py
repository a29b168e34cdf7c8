"""`paglets host drain`: empty a host before it is stopped for good or for an upgrade."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import ask
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, print_table, say, short_ids
from paglets.model.errors import PagletsError
from paglets.wire.bodies import DrainAnswer

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

LOOK_EVERY = 0.5
"""Seconds between two looks at how far it is."""


@click.command()
@click.option("--to", "target", default="auto", show_default=True, metavar="auto|HOST",
              help="Where its paglets go; auto: to the least loaded hosts.")  # fmt: skip
@click.option("--deadline", type=click.FloatRange(min=0, min_open=True), default=60.0,
              show_default=True, metavar="SECONDS", help="For all of it.")  # fmt: skip
@host_option("The host to empty. Default: the one that is asked.")
@common
@click.pass_obj
def drain(shared: Common, target: str, deadline: float, host_name: str | None) -> None:
    """Move a host's paglets to hosts of the same code, so that it can be stopped.

    It takes in nothing from now on until it starts again. What no host takes is put to sleep in its
    data folder and starts again with it. Exit code 0: nothing runs there any more and every move is
    settled on both sides. Else 1, with a list of what is left.
    """

    async def work(host: "HostClient") -> DrainAnswer:
        client = host if host_name is None else host.on_host(host_name)
        watching = asyncio.create_task(_tell_progress(client))
        try:
            return await client.drain(target, deadline=deadline)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    answer = ask(shared, work)
    if shared.json:
        print_json(answer)
    else:
        _show(answer)
    raise SystemExit(0 if answer.is_empty else 1)


async def _tell_progress(client: "HostClient") -> None:
    """Say how much is left, whenever that has changed."""
    told = ""
    while True:
        with suppress(PagletsError):  # a look that fails is no news; the drain itself says more
            health = await client.health()
            line = f"draining {health.name}: {health.active} active, {health.in_doubt} in doubt"
            if line != told:
                say(line)
                told = line
        await asyncio.sleep(LOOK_EVERY)


def _show(answer: DrainAnswer) -> None:
    ids = short_ids([each.agent_id for each in answer.agents])
    if answer.agents:
        print_table(
            ("paglet", "outcome", "host", "note"),
            [(ids[each.agent_id], each.outcome, each.host, each.text) for each in answer.agents],
        )
    for transfer_id in answer.unsettled:
        click.echo(f"transfer {transfer_id} is not settled")
    if answer.is_empty:
        say("the host is empty and can be stopped")
        return
    left = sum(1 for each in answer.agents if each.outcome == "left")
    say(
        f"not empty: {left} paglets are left, {len(answer.unsettled)} transfers are not settled; "
        "drain again, or see `paglets transfer list --in-doubt`"
    )
