"""Packing a paglet into its envelope, and the events its hooks are told on the way."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from paglets.model.enums import EnvelopeKind, PagletStatus
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.store.rows import Blob, PagletRow
from paglets.wire.envelope import (
    EnvelopeFile,
    EnvelopeHeader,
    EnvelopeMessage,
    EnvelopeOutcome,
    encode_header,
)
from paglets.wire.policies import encode_policy


def mobility_event(source: PeerAddress, target: PeerAddress, kind: EnvelopeKind) -> bytes:
    """Return a MobilityEvent as JSON."""
    fields = {
        "source_host_name": source.name,
        "target_host_name": target.name,
        "reason": "retract" if kind is EnvelopeKind.RETRACT else "dispatch",
    }
    return msgspec.json.encode(fields)


def creation_event(here: PeerAddress) -> bytes:
    """Return a CreationEvent as JSON."""
    return msgspec.json.encode({"host_name": here.name, "host_address": here.url})


def clone_event(
    source: PagletProxyRef, clone_id: str, here: PeerAddress, target: PeerAddress
) -> bytes:
    """Return a CloneEvent as JSON."""
    fields = {
        "source": source,
        "clone_agent_id": clone_id,
        "source_host_name": here.name,
        "target_host_name": target.name,
    }
    return msgspec.json.encode(fields)


class Packer:
    """Makes envelope headers for one host."""

    def __init__(self, roster: Roster, work: Path) -> None:
        self._roster = roster
        self._work = work

    def work_dir(self, agent_id: str) -> Path:
        """Return the folder of a paglet's own files on this host."""
        return self._work / agent_id

    def pack_move(
        self,
        paglet: LocalPaglet,
        row: PagletRow,
        ticket: TransferTicket,
        kind: EnvelopeKind,
        state: Blob,
    ) -> PagletRow:
        """Return the MOVING row with its envelope: state, queue and memory of ids go as one."""
        now = time.time()
        queue = tuple(
            EnvelopeMessage(message_id=e.message_id, priority=e.priority, body=e.body)
            for e in paglet.mailbox
        )
        paglet.travelled = frozenset(message.message_id for message in queue)
        outcomes = tuple(
            EnvelopeOutcome(
                message_id=kept.message_id,
                outcome=kept.outcome,
                ttl_ms=int((kept.expires_at - now) * 1000),
            )
            for kept in paglet.remembered.values()
            if kept.expires_at > now
        )
        policy = paglet.row.policy
        header = self._header(row, ticket, kind, _known_digest(state))
        header = msgspec.structs.replace(
            header,
            inactive=paglet.row.status is PagletStatus.INACTIVE,
            policy=None if policy is None else encode_policy(policy),
            queue=queue,
            outcomes=outcomes,
        )
        return replace(row, envelope=encode_header(header))

    def pack_clone(
        self, row: PagletRow, ticket: TransferTicket, source: PagletProxyRef
    ) -> PagletRow:
        """Return the CLONING row with its envelope: no queue, no ids and no leases travel."""
        header = self._header(row, ticket, EnvelopeKind.CLONE, _known_digest(row.state))
        header = msgspec.structs.replace(header, clone_of=source)
        return replace(row, envelope=encode_header(header))

    def _header(
        self, row: PagletRow, ticket: TransferTicket, kind: EnvelopeKind, digest: str
    ) -> EnvelopeHeader:
        assert row.transfer_id is not None
        assert row.peer is not None
        return EnvelopeHeader(
            kind=kind,
            transfer_id=row.transfer_id,
            agent_id=row.agent_id,
            birth_id=row.birth_id,
            epoch=row.epoch,
            manifest=row.manifest,
            source=self._roster.me,
            target=row.peer,
            ticket=ticket,
            state_bytes=row.state.size,
            state_sha256=digest,
            arrival_mode=ticket.arrival_mode,
            files=tuple(
                EnvelopeFile(name=name, size=blob.size, sha256=_known_digest(blob))
                for name, blob in row.files
            ),
            created_at=row.created_at,
        )


def _known_digest(blob: Blob) -> str:
    # An inline blob is at most 256 KiB: hashing it here costs less than a thread would.
    return blob.sha256 or hashlib.sha256(blob.data or b"").hexdigest()
