"""`paglets agent dispatch|clone|retract|deactivate|activate|dispose`: the life-cycle verbs.

Each is sent with an Idempotency-Key of its own by `remote/client.py`.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import msgspec

from paglets.cli.asking import ask
from paglets.cli.ids import Found, find_paglet
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, say, short_id, working
from paglets.model.enums import ArrivalMode, Verb
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire.bodies import (
    DeactivateBody,
    DispatchBody,
    DisposeBody,
    EmptyBody,
    RetractBody,
)
from paglets.wire.policies import PolicyBody

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

TIMEOUT = 120.0
"""Seconds for a verb: a check, running handlers, a hook and a transfer."""


@click.command()
@click.argument("paglet", metavar="ID")
@click.argument("host_name", metavar="HOST")
@click.option("--asleep", is_flag=True, help="Store it there inactive; nothing is started.")
@common
@click.pass_obj
def dispatch(shared: Common, paglet: str, host_name: str, *, asleep: bool) -> None:
    """Move a paglet to HOST (a name or URL)."""
    body = DispatchBody(ticket=_ticket(host_name, asleep=asleep))

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        ref = await _run(found, Verb.DISPATCH, body, f"moving to {host_name}")
        _tell(shared, ref, f"{short_id(found.agent_id)} is on {_place(ref)}")

    ask(shared, _work)


@click.command()
@click.argument("paglet", metavar="ID")
@click.argument("host_name", metavar="[HOST]", required=False)
@click.option("--id", "clone_id", metavar="ID", help="A fixed id for the clone.")
@common
@click.pass_obj
def clone(shared: Common, paglet: str, host_name: str | None, clone_id: str | None) -> None:
    """Copy a paglet to HOST, or to where it is, and print the clone's id."""
    ticket = None if host_name is None else _ticket(host_name)
    body = DispatchBody(ticket=ticket, agent_id=clone_id)

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        ref = await _run(found, Verb.CLONE, body, f"cloning to {host_name or 'the same host'}")
        if ref is not None and not shared.json:
            click.echo(ref.agent_id)
        _tell(shared, ref, f"cloned {short_id(found.agent_id)} to {_place(ref)}")

    ask(shared, _work)


@click.command()
@click.argument("paglet", metavar="ID")
@host_option("Host to bring it to. Default: the one that is asked.")
@common
@click.pass_obj
def retract(shared: Common, paglet: str, host_name: str | None) -> None:
    """Bring a paglet from where it is to this host."""

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        there = host if host_name is None else host.on_host(host_name)
        body = RetractBody(source=_reference(found))
        ref = await _run(Found(found.info, there), Verb.RETRACT, body, "bringing it back")
        _tell(shared, ref, f"{short_id(found.agent_id)} is on {_place(ref)}")

    ask(shared, _work)


@click.command()
@click.argument("paglet", metavar="ID")
@click.option("--after", type=click.FloatRange(min=0), metavar="SECONDS", help="Wake it then.")
@click.option("--no-wake", is_flag=True, help="Messages do not wake it; they are stored.")
@click.option("--on-startup", is_flag=True, help="Its host wakes it at every start.")
@common
@click.pass_obj
def deactivate(
    shared: Common, paglet: str, after: float | None, *, no_wake: bool, on_startup: bool
) -> None:
    """Put a paglet to sleep on disk. A message wakes it, unless told otherwise."""
    wake_at = None if after is None else datetime.now(UTC) + timedelta(seconds=after)
    policy = PolicyBody(
        activate_on_message=not no_wake,
        activate_on_startup=on_startup,
        activate_at=None if wake_at is None else wake_at.timestamp(),
    )

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        ref = await _run(found, Verb.DEACTIVATE, DeactivateBody(policy=policy), "putting to sleep")
        _tell(shared, ref, f"{short_id(found.agent_id)} sleeps on {_place(ref)}")

    ask(shared, _work)


@click.command()
@click.argument("paglet", metavar="ID")
@common
@click.pass_obj
def activate(shared: Common, paglet: str) -> None:
    """Wake a paglet, or start one that has crashed from its last commit."""

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        ref = await _run(found, Verb.ACTIVATE, EmptyBody(), "waking")
        _tell(shared, ref, f"{short_id(found.agent_id)} runs on {_place(ref)}")

    ask(shared, _work)


@click.command()
@click.argument("paglet", metavar="ID")
@click.option("--force", is_flag=True, help="Kill its process without on_disposing.")
@common
@click.pass_obj
def dispose(shared: Common, paglet: str, *, force: bool) -> None:
    """End a paglet for good."""

    async def _work(host: "HostClient") -> None:
        found = await find_paglet(host, paglet)
        await _run(found, Verb.DISPOSE, DisposeBody(force=force), "ending")
        _tell(shared, _reference(found), f"{short_id(found.agent_id)} is no more")

    ask(shared, _work)


VERBS = (dispatch, clone, retract, deactivate, activate, dispose)
"""The commands of this file, for `paglets agent`."""


async def _run(found: Found, verb: Verb, body: msgspec.Struct, talk: str) -> PagletProxyRef | None:
    encoded = msgspec.json.encode(body)
    with working(f"{short_id(found.agent_id)}: {talk}"):
        return await found.host.lifecycle(found.agent_id, verb, encoded, timeout=TIMEOUT)


def _ticket(host_name: str, *, asleep: bool = False) -> TransferTicket:
    mode = ArrivalMode.INACTIVE if asleep else ArrivalMode.ACTIVATE
    return TransferTicket(destination=host_name, arrival_mode=mode)


def _reference(found: Found) -> PagletProxyRef:
    info = found.info
    return PagletProxyRef(
        info.host_url,
        info.agent_id,
        host_name=info.host_name,
        epoch=info.epoch,
        birth_id=info.birth_id,
    )


def _place(ref: PagletProxyRef | None) -> str:
    return "" if ref is None else ref.host_name or ref.host_url


def _tell(shared: Common, ref: PagletProxyRef | None, text: str) -> None:
    if shared.json:
        print_json(ref)
    else:
        say(text)
