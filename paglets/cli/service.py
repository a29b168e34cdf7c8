"""`paglets service …`: what paglets offer by contract, and calls of it from a shell."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from paglets.cli.asking import ask
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common, host_option
from paglets.cli.output import print_json, print_table, short_ids, working
from paglets.cli.schemas import definitions, parse_request, type_text
from paglets.model.enums import ServiceScope
from paglets.model.errors import (
    NotFoundError,
    PagletInactiveError,
    ServiceNotFoundError,
    ServiceReplyError,
)
from paglets.model.message import Message
from paglets.wire.bodies import ContractBody, ReplyBody, ServiceBody
from paglets.wire.hostcalls import LookupCall
from paglets.wire.messages import encode_message, wire_message

if TYPE_CHECKING:
    from paglets.remote.client import HostClient


@click.group(cls=SuggestingGroup)
@common
def service() -> None:
    """List services, show what they take, and call them."""


@service.command("list")
@click.option("--name", metavar="NAME", help="Only services of this name.")
@host_option("Only services of this host.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in ServiceScope]),
    help="local: only what the host that is asked provides itself.",
)
@common
@click.pass_obj
def list_(shared: Common, name: str | None, host_name: str | None, scope: str | None) -> None:
    """List the services that can be called, of one name the best provider first."""
    wanted = LookupCall(
        name=name or "", host=host_name or "", scope=ServiceScope(scope or ServiceScope.MESH)
    )

    async def _work(host: "HostClient") -> None:
        found = (await host.services(wanted)).services
        if shared.json:
            print_json(found)
        else:
            _print_services(found)

    ask(shared, _work)


def _print_services(found: tuple[ServiceBody, ...]) -> None:
    shown = short_ids([body.provider.agent_id for body in found])
    print_table(
        ("name", "version", "host", "provider", "operations", "capabilities", "metadata", "scope"),
        [
            (
                body.name,
                body.version,
                body.host_name,
                shown[body.provider.agent_id],
                ",".join(body.operations),
                ",".join(body.capabilities),
                ",".join(f"{key}={value}" for key, value in body.metadata.items()),
                body.scope.value,
            )
            for body in sorted(found, key=lambda body: (body.name, body.version))
        ],
    )


@service.command()
@click.argument("name")
@click.argument("operation", required=False)
@click.option("--version", metavar="TEXT", help="Of the service, exactly; by default any.")
@host_option("As a provider on this host has it.")
@common
@click.pass_obj
def show(
    shared: Common, name: str, operation: str | None, version: str | None, host_name: str | None
) -> None:
    """Show what the operations of the service NAME take and reply; with --json their schemas."""
    wanted = _wanted(name, operation, version, host_name)

    async def _work(host: "HostClient") -> None:
        contract = await _contract(host, await _best(host, wanted))
        if operation is not None:
            kept = tuple(each for each in contract.operations if each.name == operation)
            contract = msgspec.structs.replace(contract, operations=kept)
        if shared.json:
            print_json(contract)
        else:
            click.echo("\n".join(_lines(contract)))

    ask(shared, _work)


def _lines(contract: ContractBody) -> Iterator[str]:
    yield f"{contract.name} version {contract.version}"
    for operation in contract.operations:
        yield f"  {operation.name}  {type_text(operation.request)} -> {type_text(operation.reply)}"
    schemas = [each for one in contract.operations for each in (one.request, one.reply)]
    for definition in definitions(*schemas):
        yield f"{definition.name}:"
        yield from (f"  {field}" for field in definition.fields)


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
    """Call OPERATION of the best provider of the service NAME and print the reply as JSON."""
    wanted = _wanted(name, operation, version, host_name)

    async def _work(host: "HostClient") -> None:
        chosen = await _best(host, wanted)
        request = parse_request(arguments, whole, await _request_schema(host, chosen, operation))
        body = encode_message(wire_message(Message(operation, request), timeout=timeout))
        with working(f"calling {name} on {chosen.host_name}"):
            reply = await _at(host, chosen).send(chosen.provider.agent_id, body, timeout=timeout)
        require_result(reply, f"{name} on {chosen.host_name}")
        print_json(reply.reply)

    ask(shared, _work)


def require_result(reply: ReplyBody, provider: str) -> None:
    """Raise where a provider has not answered: it moved away, or sleeps on."""
    if reply.moved:
        there = reply.address.host_name if reply.address is not None else "another host"
        raise ServiceReplyError(f"{provider} moved to {there} instead of answering")
    if reply.stored:
        raise PagletInactiveError(
            f"{provider} is asleep and a call does not wake it: the request is stored and will be "
            "handled when it wakes, but nobody will hear the reply"
        )


def _wanted(
    name: str, operation: str | None, version: str | None, host_name: str | None
) -> LookupCall:
    return LookupCall(
        name=name,
        version=version or "",
        operations=() if operation is None else (operation,),
        host=host_name or "",
        limit=1,
    )


async def _best(host: "HostClient", wanted: LookupCall) -> ServiceBody:
    """Return the best provider; ServiceNotFoundError says why there is none."""
    found = await host.services(wanted)
    if not found.services:
        reason = found.reason or f"nobody provides {wanted.name}"
        raise ServiceNotFoundError(reason, name=wanted.name, versions=list(found.versions))
    return found.services[0]


def _at(host: "HostClient", chosen: ServiceBody) -> "HostClient":
    """Return a client of the host that has the provider, one hop beyond the one that is asked."""
    return host.on_host(chosen.host_name) if chosen.host_name else host


async def _contract(host: "HostClient", chosen: ServiceBody) -> ContractBody:
    listed = await _at(host, chosen).show_service(chosen.name, chosen.version)
    return listed.contracts[0]


async def _request_schema(
    host: "HostClient", chosen: ServiceBody, operation: str
) -> dict[str, object]:
    """Return what an operation takes; nothing where its provider has just moved on."""
    try:
        contract = await _contract(host, chosen)
    except NotFoundError:
        return {}
    return next((each.request for each in contract.operations if each.name == operation), {})
