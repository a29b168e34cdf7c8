"""What people and other hosts may see of this host's paglets: info, lists, state, output."""

import asyncio
import contextlib
from pathlib import Path

import msgspec

from paglets.model.enums import PagletStatus
from paglets.model.errors import InvalidRequestError, PagletCrashedError, PagletNotFoundError
from paglets.runtime.commits import Commits
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.lifecycle import LIVING
from paglets.runtime.quiescing import Quiescer
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.wire.bodies import AgentInfo, AgentList, LogBody
from paglets.wire.render import render

_INSPECT_TIMEOUT = 5.0
"""Seconds a process has to show its state."""


class Inspection:
    """Shows the paglets of one host; used from its loop."""

    def __init__(
        self, roster: Roster, commits: Commits, quiescer: Quiescer, forwarding: Forwarding
    ) -> None:
        self._roster = roster
        self._commits = commits
        self._quiescer = quiescer
        self._forwarding = forwarding

    async def info(self, agent_id: str) -> AgentInfo:
        """Return what this host knows of a paglet, tombstones included.

        Raises:
            PagletNotFoundError: It knows nothing of it.
        """
        return self._info(self._roster.get(agent_id))

    async def find(self, agent_id: str) -> AgentInfo:
        """Return where a paglet lives, asking the mesh where this host does not know.

        Raises:
            PagletNotFoundError: Nobody who answered has it.
        """
        paglet = self._roster.find(agent_id)
        if paglet is not None and paglet.row.status is not PagletStatus.MOVED:
            return self._info(paglet)
        return await self._forwarding.locate(agent_id)

    def _info(self, paglet: LocalPaglet) -> AgentInfo:
        row = paglet.row
        me = self._roster.me
        wake_at = row.policy.activate_at if row.policy is not None else None
        return AgentInfo(
            agent_id=row.agent_id,
            class_name=row.manifest.class_name,
            status=row.status.value,
            host_name=me.name,
            host_url=me.url,
            epoch=row.epoch,
            pid=None if paglet.link is None else paglet.link.process.pid,
            queued=len(paglet.mailbox),
            error=row.error,
            transfer_id=row.transfer_id if row.status not in LIVING else None,
            peer=row.peer,
            durability=row.manifest.durability.value,
            activate_at=None if wake_at is None else wake_at.timestamp(),
            created_at=row.created_at,
            changed_at=row.changed_at,
            state_bytes=row.state.size,
            birth_id=row.birth_id,
        )

    async def list(
        self,
        *,
        status: str | None = None,
        class_name: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> AgentList:
        """Return a page of this host's paglets by id; tombstones only if asked by status.

        Raises:
            InvalidRequestError: There is no such status.
        """
        if status is not None and status not in set(PagletStatus):
            raise InvalidRequestError(
                f"no status {status!r}; it is one of {', '.join(PagletStatus)}"
            )
        found = sorted(
            (paglet for paglet in self._roster if _matches(paglet, status, class_name, prefix)),
            key=lambda paglet: paglet.agent_id,
        )
        total = len(found)
        if after is not None:
            found = [paglet for paglet in found if paglet.agent_id > after]
        page = tuple(self._info(paglet) for paglet in found[:limit])
        following = page[-1].agent_id if len(found) > limit else None
        return AgentList(agents=page, next=following, total=total)

    async def state(self, agent_id: str) -> bytes:
        """Return a paglet's state as JSON: the present one if it runs, else the last commit.

        Raises:
            PagletNotFoundError: It is not here.
        """
        paglet = self._here(agent_id)
        try:
            data = await self._state_bytes(paglet)
        except PagletCrashedError:
            # It left or died while it was asked: what is committed at the end of that counts.
            with contextlib.suppress(TimeoutError):
                await paglet.idle(timeout=_INSPECT_TIMEOUT)
            data = await self._committed(self._here(agent_id))
        if not data and paglet.row.manifest.state_class is not None:
            raise PagletNotFoundError(f"{agent_id} has just moved", agent_id=agent_id)
        return msgspec.json.encode(render(data) if data else None)

    def _here(self, agent_id: str) -> LocalPaglet:
        paglet = self._roster.get(agent_id)
        if paglet.row.status is PagletStatus.MOVED:
            raise PagletNotFoundError(f"{agent_id} moved to {paglet.peer_name}", agent_id=agent_id)
        return paglet

    async def _state_bytes(self, paglet: LocalPaglet) -> bytes:
        if paglet.link is None:
            return await self._committed(paglet)
        snapshot = await self._quiescer.inspect(paglet, timeout=_INSPECT_TIMEOUT)
        if snapshot.path is None:
            return snapshot.data or b""
        return await asyncio.to_thread(_take, Path(snapshot.path))

    async def _committed(self, paglet: LocalPaglet) -> bytes:
        blob = self._commits.load(paglet)
        return blob.data if blob.data is not None else await self._commits.spool.read(blob)

    async def logs(self, agent_id: str, tail: int) -> LogBody:
        """Return what a paglet printed last, also in processes that have ended."""
        paglet = self._roster.get(agent_id)
        rings = [ring for ring in (paglet.earlier_output, paglet.output) if ring is not None]
        lines = [line for ring in rings for line in ring.lines]
        shown = lines[max(0, len(lines) - tail) :]
        start = sum(ring.dropped for ring in rings) + len(lines) - len(shown)
        return LogBody(agent_id=agent_id, lines=tuple(shown), truncated=start > 0, start=start)


def _take(path: Path) -> bytes:
    data = path.read_bytes()
    path.unlink(missing_ok=True)
    return data


def _matches(
    paglet: LocalPaglet, status: str | None, class_name: str | None, prefix: str | None
) -> bool:
    row = paglet.row
    if status is None and row.status is PagletStatus.MOVED:
        return False
    return (
        (status is None or row.status.value == status)
        and (class_name is None or row.manifest.class_name == class_name)
        and (prefix is None or row.agent_id.startswith(prefix))
    )
