"""Which paglet, transfer or host is meant: ids by unique prefix, over the whole mesh."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paglets.model.enums import PagletStatus
from paglets.model.errors import InvalidRequestError, PagletNotFoundError
from paglets.model.names import parse_name
from paglets.wire.bodies import AgentInfo

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

_PAGE = "1000"
_SHOWN = 5
"""Candidates named where a prefix is not unique."""


@dataclass(frozen=True)
class Found:
    """A paglet and the way to its host."""

    info: AgentInfo
    host: "HostClient"

    @property
    def agent_id(self) -> str:
        """Its whole id."""
        return self.info.agent_id


async def find_paglet(host: "HostClient", text: str) -> Found:
    """Return the paglet whose id is `text` or alone starts with it.

    Args:
        host: The entry host; all online hosts are asked through it.
        text: An id or the beginning of one.

    Raises:
        PagletNotFoundError: There is none; hosts that did not answer are named.
        InvalidRequestError: It is no id, or several start so.
    """
    parse_name(text, what="agent id")
    query = {"prefix": text, "scope": "mesh", "limit": _PAGE}
    page = await host.list_agents(query)
    rows = owners(info for info in page.agents if info.agent_id.startswith(text))
    agent_id = unique(text, list(rows), "paglet")
    if agent_id is None:
        silent = f"; no answer from {', '.join(page.unreachable)}" if page.unreachable else ""
        raise PagletNotFoundError(f"no paglet's id starts with {text!r}{silent}", agent_id=text)
    info = rows[agent_id]
    return Found(info, host.on_host(info.host_name) if info.host_name else host)


def owners(rows: Iterable[AgentInfo]) -> dict[str, AgentInfo]:
    """Return the row of each id that tells where it is now: tombstones and older ones give way."""
    found: dict[str, AgentInfo] = {}
    for info in rows:
        present = found.get(info.agent_id)
        if present is None or _rank(info) > _rank(present):
            found[info.agent_id] = info
    return found


def unique(text: str, ids: list[str], what: str) -> str | None:
    """Return the id that is `text`, else the only one of `ids` that starts with it.

    Raises:
        InvalidRequestError: Several do.
    """
    if text in ids:
        return text
    matching = sorted({each for each in ids if each.startswith(text)})
    if len(matching) > 1:
        named = ", ".join(matching[:_SHOWN]) + (" …" if len(matching) > _SHOWN else "")
        raise InvalidRequestError(f"{len(matching)} {what}s start with {text!r}: {named}")
    return matching[0] if matching else None


def _rank(info: AgentInfo) -> tuple[tuple[int, int], bool]:
    return (tuple(info.epoch), info.status != PagletStatus.MOVED)  # type: ignore[return-value]
