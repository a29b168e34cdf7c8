"""`paglets mesh targets`: which hosts suit a need, and why the others do not."""

from typing import TYPE_CHECKING

import click
import msgspec

from paglets.cli.asking import ask
from paglets.cli.errors import failed
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, print_table, say
from paglets.cli.params import names, size
from paglets.model.errors import ServiceNotFoundError
from paglets.model.message import Message
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall
from paglets.wire.jsonvalues import decode_reply
from paglets.wire.messages import encode_message, wire_message

if TYPE_CHECKING:
    from paglets.remote.client import HostClient
    from paglets.system.mesh_info.contract import Ranking

SERVICE = "mesh-info"
TIMEOUT = 30.0
"""Seconds for the answer; mesh-info asks nobody for it."""


@click.command()
@click.option("--memory", "memory_bytes", callback=size(0), default="0", metavar="SIZE",
              help="Least memory that could be had now, such as 2G.")  # fmt: skip
@click.option("--cpus", type=click.FloatRange(min=0), default=0.0, metavar="N",
              help="Least cores' worth of time the host may use.")  # fmt: skip
@click.option("--max-load", "max_load_per_cpu", type=click.FloatRange(min=0), metavar="N",
              help="Most load for each CPU; 1 keeps all of them busy.")  # fmt: skip
@click.option("--disk", "disk_bytes", callback=size(0), default="0", metavar="SIZE",
              help="Least space free where the folders of paglets are.")  # fmt: skip
@click.option("--temp", "temp_bytes", callback=size(0), default="0", metavar="SIZE",
              help="Least space free where temporary files are.")  # fmt: skip
@click.option("--gpus", type=click.IntRange(min=0), default=0, metavar="N",
              help="Least number of graphics processors.")  # fmt: skip
@click.option("--gpu-memory", "gpu_memory_bytes", callback=size(0), default="0", metavar="SIZE",
              help="Least free memory on each of those.")  # fmt: skip
@click.option("--tag", "tags", callback=names(), default="", metavar="TAG,TAG",
              help="Only hosts with all of these.")  # fmt: skip
@click.option("--without-tag", "without_tags", callback=names(), default="", metavar="TAG,TAG",
              help="Only hosts with none of these.")  # fmt: skip
@click.option("--prefer-tag", "prefer_tags", callback=names(), default="", metavar="TAG,TAG",
              help="Hosts with more of these first.")  # fmt: skip
@click.option("--capability", "capabilities", callback=names(), default="", metavar="NAME,NAME",
              help="Only hosts with all of these.")  # fmt: skip
@click.option("--hosts", callback=names(), default="", metavar="NAME,NAME",
              help="Only these. Default: all that are known.")  # fmt: skip
@click.option("--exclude", "exclude_hosts", callback=names(), default="", metavar="NAME,NAME",
              help="None of these.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), metavar="N",
              help="Most hosts chosen. Default: all that suit.")  # fmt: skip
@click.option("--max-age", type=click.FloatRange(min=0), metavar="SECONDS",
              help="Most age of a host's figures. Default: by the size of the mesh.")  # fmt: skip
@common
@click.pass_obj
def targets(shared: Common, /, **asked: object) -> None:
    """Rank the hosts that suit a need, best first, and say why the others do not.

    Exit code 1 if none suits. Figures are those that each host's mesh-info told last.
    """
    found = ask(shared, lambda host: _ranking(host, asked))
    if shared.json:
        print_json(found)
    else:
        _print(found)
    if not found.targets:
        raise failed(shared, "no host suits", "ask for less, or see above why each does not")


async def _ranking(host: "HostClient", asked: dict[str, object]) -> "Ranking":
    from paglets.system.mesh_info.contract import RANK, Ranking, TargetQuery  # not for `--help`

    query = msgspec.convert(asked, TargetQuery)
    message = Message.of(query, kind=RANK.name)
    body = encode_message(wire_message(message, timeout=TIMEOUT))
    provider = choose((await host.services(LookupCall(name=SERVICE))).services)
    client = host.on_host(provider.host_name) if provider.host_name else host
    reply = await client.send(provider.provider.agent_id, body, timeout=TIMEOUT)
    return decode_reply(reply.reply, Ranking)


def choose(found: tuple[ServiceBody, ...]) -> ServiceBody:
    """Return the first provider, which is the nearest: every one answers for the whole mesh.

    Raises:
        ServiceNotFoundError: There is none.
    """
    if not found:
        raise ServiceNotFoundError(
            f"no host of this mesh runs {SERVICE}, which knows what hosts have free: "
            "launch.toml starts it with a host",
            name=SERVICE,
        )
    return found[0]


def _print(found: "Ranking") -> None:
    if found.targets:
        print_table(
            ("host", "score", "why"),
            [(each.host_name, f"{each.score:.2f}", "; ".join(each.reasons))
             for each in found.targets],
        )  # fmt: skip
    if found.suitable > len(found.targets):
        say(f"{found.suitable - len(found.targets)} more suit")
    if found.rejected:
        print_table(
            ("rejected", "why"),
            [(each.host_name, "; ".join(each.reasons)) for each in found.rejected],
        )
    if found.unsuitable > len(found.rejected):
        say(f"{found.unsuitable - len(found.rejected)} more do not suit")
