"""What a leader knows of its workers, and what it makes of news about them. Pure.

A share is settled once; what comes later changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from paglets.agent.fanout.model import Gathered, Missing, Report, Share
from paglets.model.enums import MissingReason, SharePhase
from paglets.model.errors import PagletsError
from paglets.model.message import JsonValue
from paglets.model.refs import HostRef, PagletProxyRef

R = TypeVar("R")

GONE = frozenset({"dead", "left"})
"""Status of hosts that will not report; `suspect` ones may."""


class Shares(Generic[R]):
    """The shares of one gathering.

    Args:
        hosts: Names, each with what keeps it from taking part, None for nothing.
        convert: Makes a result of what a worker sent; raises PagletsError if it cannot.
    """

    def __init__(
        self, hosts: Mapping[str, Missing | None], convert: Callable[[JsonValue], R]
    ) -> None:
        self._convert = convert
        self._shares: dict[str, Share[R]] = {host: Share(host) for host in hosts}
        for host, missing in hosts.items():
            if missing is not None:
                self.lose(host, missing)

    @property
    def is_complete(self) -> bool:
        """Whether all are settled."""
        return all(share.phase.is_final for share in self._shares.values())

    def all(self) -> list[Share[R]]:
        """Return copies of all shares, in the order of their hosts."""
        return [replace(share) for share in self._shares.values()]

    def open(self) -> list[Share[R]]:
        """Return copies of those that are not settled."""
        return [share for share in self.all() if not share.phase.is_final]

    def ask(self, host: str, worker: PagletProxyRef) -> None:
        """Note that a host is asked to take a worker; it may report before it is said to run."""
        self._shares[host].worker = worker

    def doubt(self, host: str) -> None:
        """Note that a host has not answered whether it took its worker."""
        self._shares[host].is_in_doubt = True

    def refuse(self, host: str, missing: Missing) -> None:
        """Note that a host did not take its worker; there is none to be ended."""
        self._shares[host].worker = None
        self.lose(host, missing)

    def report(self, report: Report) -> bool:
        """Take a report; return whether its worker is to go on."""
        share = self._of(report.worker_id)
        if share is None or share.phase.is_final:
            return False
        share.is_in_doubt = False
        if report.phase is SharePhase.DONE:
            self._finish(share, report)
        elif report.phase is SharePhase.MISSING:
            self.lose(share.host, Missing(MissingReason.FAILED, report.text, report.traceback_text))
        elif report.is_first and share.phase is SharePhase.WORKING:
            text = "its process was started again while it worked"
            self.lose(share.host, Missing(MissingReason.CRASHED, text))
            return False
        else:
            share.phase = SharePhase.WORKING
        return True

    def lose(self, host: str, missing: Missing) -> None:
        """Settle a share without a result, unless it is settled."""
        share = self._shares[host]
        if not share.phase.is_final:
            share.phase, share.missing = SharePhase.MISSING, missing

    def look(self, known: Sequence[HostRef]) -> None:
        """Settle the shares of hosts that went away.

        Args:
            known: All hosts, online or not.
        """
        status = {host.name: host.status for host in known}
        for share in self.open():
            if status.get(share.host, "left") in GONE:
                text = f"the host went away while it was {share.phase}"
                self.lose(share.host, Missing(MissingReason.DEAD, text))

    def end(self, missing: Missing) -> None:
        """Settle all that are open."""
        for share in self.open():
            text = f"{missing.text} (it was {share.phase})"
            self.lose(share.host, replace(missing, text=text))

    def gathered(self) -> Gathered[R]:
        """Return what has come so far."""
        results = {
            share.host: self._result_of(share)
            for share in self._shares.values()
            if share.phase is SharePhase.DONE
        }
        missing = {
            share.host: share.missing
            for share in self._shares.values()
            if share.missing is not None
        }
        return Gathered(results, missing)

    def _of(self, worker_id: str) -> Share[R] | None:
        found = (s for s in self._shares.values() if s.worker and s.worker.agent_id == worker_id)
        return next(found, None)

    def _finish(self, share: Share[R], report: Report) -> None:
        try:
            share.result = self._convert(report.result)
        except PagletsError as error:
            self.lose(share.host, Missing(MissingReason.FAILED, str(error)))
        else:
            share.phase = SharePhase.DONE

    def _result_of(self, share: Share[R]) -> R:
        return share.result  # type: ignore[return-value]  # set with DONE; R may include None


def choose_hosts(
    names: Sequence[str] | None, known: Sequence[HostRef]
) -> dict[str, Missing | None]:
    """Return the hosts that are to take part, with what keeps them from it.

    Args:
        names: Which; None: all that are online, and those that are only suspected not to be, so
            that nobody wonders where they are.
        known: All hosts of the mesh, online or not.
    """
    best = {host.name: host for host in sorted(known, key=lambda h: (h.online, h.generation))}
    if names is None:
        names = sorted(h.name for h in best.values() if h.online or h.status == "suspect")
    return {name: _obstacle(best.get(name)) for name in names}


def _obstacle(host: HostRef | None) -> Missing | None:
    if host is None:
        return Missing(MissingReason.UNKNOWN, "no host of this name is known")
    if not host.online:
        return Missing(MissingReason.DEAD, f"not online ({host.status})")
    return Missing(MissingReason.REFUSED, host.error) if host.error else None
