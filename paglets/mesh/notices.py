"""Telling the rest of the host what happened in the mesh, and what a seed or peer said of it.

Part of the driver `gossip.py`; runs on its loop.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from paglets.mesh.directory import Directory, MeshRecord
from paglets.mesh.instructions import Notify, NotifySelf, SelfChange
from paglets.mesh.members import Change, Member
from paglets.model.refs import HostRef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MeshEvent:
    """What subscribers are told."""

    change: Change | SelfChange
    host: HostRef
    """The host it is about, as it is now; this host itself for a SelfChange."""
    record: MeshRecord | None = None
    """With `Change.RECORD`; None there if it was withdrawn."""
    text: str = ""
    """With a SelfChange: one sentence for people."""


Subscriber = Callable[[MeshEvent], None]


class Notices:
    """Subscribers, and the standing warnings about this host."""

    def __init__(self, directory: Directory) -> None:
        self.reachability_warning: str | None = None
        """Set while a seed says that it cannot reach this host at what it advertises."""
        self.remembered_boots = 0
        """Above 0: a peer remembers that many starts of this data folder, so it was restored."""
        self.changed = asyncio.Event()
        """Set at the next change, then replaced by a new one."""
        self._directory = directory
        self._subscribers: list[Subscriber] = []

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` after every change; return what ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def notify(self, notice: Notify) -> None:
        """Tell of a change of a member."""
        event = notice.event
        ref = self._directory.ref(event.member)
        if event.change is not Change.RECORD:
            log.info("host %s host=%s url=%s", event.change, ref.name, ref.url)
        told = event.record
        record = None
        if told is not None and told.payload is not None:
            record = MeshRecord(told.host_id, told.kind, told.key, told.version, told.payload)
        self._tell(MeshEvent(event.change, ref, record))

    def notify_self(self, notice: NotifySelf, own: Member) -> None:
        """Tell of a change of this host itself."""
        text = notice.text
        match notice.change:
            case SelfChange.UNREACHABLE:
                self.reachability_warning = text
            case SelfChange.REACHABLE:
                self.reachability_warning = None
                text = f"reached at {own.identity.url}"
            case SelfChange.ROLLED_BACK:
                self.remembered_boots = notice.boots
                text = (
                    "this data folder was restored from a copy: a peer remembers start "
                    f"{notice.boots}, this is start {own.identity.boots}"
                )
            case SelfChange.RENEWED:
                text = f"took generation {own.generation}"
            case SelfChange.PAUSED:
                pass
        # Subscribers say it to people, as loudly as it deserves.
        log.debug("%s host=%s", text, own.name)
        self._tell(MeshEvent(notice.change, self._directory.ref(own), text=text))

    def _tell(self, event: MeshEvent) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
        for subscriber in list(self._subscribers):
            try:
                subscriber(event)
            except Exception:  # border: one part's defect must not end the mesh
                log.exception("mesh subscriber failed")
