"""`paglets mesh …`: the hosts, as the one that is asked sees them."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import ask
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import clock_text, print_json, print_table, say
from paglets.cli.targets import targets
from paglets.model.refs import HostRef

if TYPE_CHECKING:
    from paglets.remote.client import HostClient
    from paglets.wire.bodies import RecordInfo


PAGE = "1000"
SHOWN_CHARACTERS = 60
"""Of a value in a table; `--json` has all of it."""


@click.group(cls=SuggestingGroup)
@common
def mesh() -> None:
    """Show the hosts of the mesh."""


mesh.add_command(targets)


@mesh.command()
@click.option("--online", is_flag=True, help="Only those that are up.")
@click.option("--tag", metavar="TAG", help="Only those with this tag.")
@click.option("--capability", metavar="NAME", help="Only those with this capability.")
@common
@click.pass_obj
def hosts(shared: Common, tag: str | None, capability: str | None, *, online: bool) -> None:
    """List the hosts of the mesh."""
    query = {"online": "true" if online else None, "tag": tag, "capability": capability}

    async def _work(host: "HostClient") -> None:
        asked = {name: value for name, value in query.items() if value is not None}
        listed = (await host.hosts(asked)).hosts
        if shared.json:
            print_json(listed)
            return
        print_table(
            ("name", "url", "status", "active", "inactive", "code", "note"),
            [
                (
                    each.name,
                    each.url,
                    each.status,
                    each.active_count,
                    each.inactive_count,
                    each.code_version,
                    each.error,
                )
                for each in sorted(listed, key=lambda each: each.name)
            ],
        )

    ask(shared, _work)


@mesh.command()
@host_option("Only what this host has told.")
@click.option("--kind", metavar="KIND", help="Only this kind, such as service or load.")
@common
@click.pass_obj
def records(shared: Common, host_name: str | None, kind: str | None) -> None:
    """List what hosts and paglets have told the whole mesh.

    As the host that is asked knows it: services, load, counts, and what paglets publish.
    """
    query = {"host": host_name, "kind": kind, "limit": PAGE}

    async def _work(host: "HostClient") -> None:
        asked = {name: value for name, value in query.items() if value is not None}
        found = await _all_records(host, asked)
        if shared.json:
            print_json(found)
            return
        print_table(
            ("host", "kind", "key", "age", "bytes", "value"),
            [
                (
                    each.host_name or each.host_id,
                    each.kind,
                    each.key,
                    f"{each.age_seconds:.0f} s",
                    each.size_bytes,
                    _shortened(bytes(each.value).decode()),
                )
                for each in found
            ],
        )

    ask(shared, _work)


async def _all_records(host: "HostClient", query: dict[str, str]) -> "list[RecordInfo]":
    found: list[RecordInfo] = []
    while True:
        page = await host.records(query)
        found += page.records
        if page.next is None:
            return found
        query = {**query, "after": page.next}


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


@mesh.command()
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True,
              metavar="SECONDS", help="Between two looks.")  # fmt: skip
@click.option("--for", "duration", type=click.FloatRange(min=0), metavar="SECONDS",
              help="End after this time. Default: until Ctrl-C.")  # fmt: skip
@common
@click.pass_obj
def watch(shared: Common, interval: float, duration: float | None) -> None:
    """Print a line for each host now, and for each change as it is seen."""

    async def _work(host: "HostClient") -> None:
        known: dict[str, HostRef] = {}
        end = None if duration is None else time.monotonic() + duration
        say(f"watching the mesh of {host.url}; Ctrl-C ends it")
        while True:
            listed = holders((await host.hosts()).hosts)
            for line in changes(known, listed):
                print_json(line, pretty=False) if shared.json else click.echo(line_text(line))
            known = listed
            if end is not None and time.monotonic() + interval > end:
                return
            await asyncio.sleep(interval)

    ask(shared, _work, until_interrupt=True)


def holders(listed: Iterable[HostRef]) -> dict[str, HostRef]:
    """Return who has each name: a live host before others, then the newest generation."""
    order = sorted(listed, key=lambda each: (each.online, each.generation))
    return {each.name: each for each in order}


def changes(before: dict[str, HostRef], after: dict[str, HostRef]) -> list[dict[str, object]]:
    """Return what differs between two looks at the mesh, by host name."""
    found: list[dict[str, object]] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        was = old.status if old is not None else None
        now = new.status if new is not None else "forgotten"
        restarted = old is not None and new is not None and _is_another_life(old, new)
        if was != now or restarted:
            present = new or old
            assert present is not None
            found.append(
                {
                    "time": time.time(),
                    "host": name,
                    "was": was,
                    "now": now,
                    "restarted": restarted,
                    "url": present.url,
                }
            )
    return found


def _is_another_life(old: HostRef, new: HostRef) -> bool:
    return (new.host_id, new.generation) != (old.host_id, old.generation)


def line_text(change: dict[str, object]) -> str:
    """Return a change as a line for people."""
    moment = change["time"]
    assert isinstance(moment, float)
    before = f"{change['was']} → " if change["was"] is not None else ""
    note = " (started anew)" if change["restarted"] else ""
    return f"{clock_text(moment)}  {change['host']}  {before}{change['now']}{note}  {change['url']}"
