"""`paglets service …`: what paglets offer by contract, and calls of it from a shell."""

from typing import TYPE_CHECKING

import click
import msgspec

from paglets.cli.asking import ask
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, print_table, print_value, short_ids, working
from paglets.cli.values import parse_pairs
from paglets.model.enums import ServiceScope
from paglets.model.errors import ServiceNotFoundError
from paglets.model.message import Message
from paglets.wire.bodies import ServiceBody, ServiceList
from paglets.wire.hostcalls import LookupCall
from paglets.wire.messages import encode_message, wire_message

if TYPE_CHECKING:
    from paglets.remote.client import HostClient


@click.group(cls=SuggestingGroup)
@common
def service() -> None:
    """List services and call them."""


@service.command("list")
@click.argument("name", required=False)
@host_option("Only services of this host.")
@click.option(
    "--scope",
    type=click.Choice([*ServiceScope]),
    help="local: only what the host that is asked provides itself.",
)
@common
@click.pass_obj
def list_(shared: Common, name: str | None, host_name: str | None, scope: str | None) -> None:
    """List the services that can be called, all or those called NAME."""

    async def _work(host: "HostClient") -> None:
        wanted = LookupCall(
            name=name or "", host=host_name or "", scope=ServiceScope(scope or ServiceScope.MESH)
        )
        found = (await host.services(wanted)).services
        if shared.json:
            print_json(found)
            return
        shown = short_ids([body.provider.agent_id for body in found])
        print_table(
            ("name", "version", "host", "provider", "operations", "capabilities"),
            [
                (
                    body.name,
                    body.version,
                    body.host_name,
                    shown[body.provider.agent_id],
                    ",".join(body.operations),
                    ",".join(body.capabilities),
                )
                for body in found
            ],
        )

    ask(shared, _work)


@service.command()
@click.argument("name")
@click.argument("operation")
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--args", "whole", metavar="JSON", help="The request as a JSON object.")
@click.option(
    "--timeout", default=30.0, show_default=True, metavar="SECONDS", help="For the reply."
)
@click.option("--version", metavar="TEXT", help="Of the service, exactly; by default any.")
@host_option("Only a provider on this host.")
@common
@click.pass_obj
def call(  # noqa: PLR0913 - one argument an option; click passes them so
    shared: Common,
    *,
    name: str,
    operation: str,
    arguments: tuple[str, ...],
    whole: str | None,
    timeout: float,
    version: str | None,
    host_name: str | None,
) -> None:
    """Call OPERATION of the best provider of the service NAME and print the reply."""
    message = Message(operation, parse_pairs(arguments, whole, "--args"))
    body = encode_message(wire_message(message, timeout=timeout))

    async def _work(host: "HostClient") -> None:
        wanted = LookupCall(
            name=name, version=version or "", operations=(operation,), host=host_name or ""
        )
        chosen = choose(await host.services(wanted), wanted)
        client = host.on_host(chosen.host_name) if chosen.host_name else host
        with working(f"calling {name} on {chosen.host_name}"):
            reply = await client.send(chosen.provider.agent_id, body, timeout=timeout)
        if shared.json:
            print_json(reply.reply)
        else:
            print_value(msgspec.json.decode(reply.reply))

    ask(shared, _work)


def choose(found: ServiceList, wanted: LookupCall) -> ServiceBody:
    """Return the best provider.

    Raises:
        ServiceNotFoundError: There is none; says what there is instead.
    """
    if not found.services:
        reason = found.reason or f"nobody provides {wanted.name}"
        raise ServiceNotFoundError(reason, name=wanted.name, versions=list(found.versions))
    return found.services[0]
