"""Whom to try again, for ever: seeds, and members that died.

Pure; randomness is an argument. A seed is whatever the operator wrote: a URL whose name may have
many addresses, none of them up yet, one of them ourselves. Resolving it is the driver's work, done
anew each time; here is remembered who answered at which address.
"""

from random import Random

from paglets.mesh.table import Table
from paglets.model.enums import MemberStatus

OWN_ADDRESS_SECONDS = 60.0
"""For this long an address that turned out to be our own is skipped; addresses change hands."""


class Contacts:
    """Seeds and what is known of their addresses."""

    def __init__(self, seeds: tuple[str, ...]) -> None:
        self.seeds = seeds
        self._hosts: dict[str, str] = {}
        self._own: dict[str, float] = {}

    def pick(self, table: Table, random: Random) -> tuple[str | None, str | None]:
        """Return a random dead member's host id, or a seed; (None, None) if all is well."""
        dead = []
        if table.dead:
            dead = [
                m.host_id
                for m in table.members.values()
                if m.status is MemberStatus.DEAD and not table.is_superseded(m)
            ]
        place = int(random.random() * (len(dead) + len(self.seeds)))
        if place < len(dead):
            return dead[place], None
        return (None, self.seeds[place - len(dead)]) if self.seeds else (None, None)

    def answered(self, url: str, host_id: str, table: Table, now: float) -> None:
        """Note who answered at an address."""
        if host_id == table.identity.host_id:
            self._own[url] = now
            self._hosts.pop(url, None)
        else:
            self._hosts[url] = host_id

    def failed(self, url: str) -> None:
        """Note that nobody answered at an address."""
        self._hosts.pop(url, None)

    def is_wanted(self, url: str, table: Table, now: float) -> bool:
        """Return whether an address is worth a join: neither ours nor a live member's."""
        if url == table.identity.url.rstrip("/"):
            return False
        if now - self._own.get(url, -OWN_ADDRESS_SECONDS) < OWN_ADDRESS_SECONDS:
            return False
        member = table.members.get(self._hosts.get(url, ""))
        if member is not None and member.is_live:
            return False
        return not any(m.is_live and m.identity.url == url for m in table.members.values())
