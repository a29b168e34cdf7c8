"""Rows, records and envelopes for tests of the runtime, with only what a test is about given."""

import hashlib
from dataclasses import replace

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome, TransferRole
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.lifecycle import Offer
from paglets.store.rows import Blob, PagletRow, TransferRow
from paglets.wire.envelope import EnvelopeHeader, EnvelopeMessage, encode_header
from paglets.wire.messages import WireMessage, encode_message

ALPHA = PeerAddress("id-alpha", "alpha", "http://alpha:8765")
BETA = PeerAddress("id-beta", "beta", "http://beta:8765")
GAMMA = PeerAddress("id-gamma", "gamma", "http://gamma:8765")
MANIFEST = ClassManifest(class_name="tour:Tour", state_class="tour:State", code_version="v1")
NOW = 1_700_000_000.0


def make_row(status=PagletStatus.ACTIVE, **fields):
    state = fields.pop("state", b"state")
    return PagletRow(
        agent_id=fields.pop("agent_id", "tour"),
        birth_id=fields.pop("birth_id", "birth"),
        manifest=fields.pop("manifest", MANIFEST),
        status=status,
        state=Blob.inline(state) if isinstance(state, bytes) else state,
        **fields,
    )


def make_record(transfer_id="t1", **fields):
    return TransferRow(
        transfer_id=transfer_id,
        role=fields.pop("role", TransferRole.SOURCE),
        kind=fields.pop("kind", EnvelopeKind.DISPATCH),
        agent_id=fields.pop("agent_id", "tour"),
        birth_id=fields.pop("birth_id", "birth"),
        peer=fields.pop("peer", BETA),
        epoch=fields.pop("epoch", Epoch(0, 1)),
        outcome=fields.pop("outcome", TransferOutcome.UNDECIDED),
        **fields,
    )


def make_offer(epoch=Epoch(0, 1), **fields):
    return Offer(
        transfer_id=fields.pop("transfer_id", "t1"),
        kind=fields.pop("kind", EnvelopeKind.DISPATCH),
        source=fields.pop("source", ALPHA),
        epoch=epoch,
        birth_id=fields.pop("birth_id", "birth"),
        agent_id=fields.pop("agent_id", "tour"),
    )


def make_header(state=b"state", **fields):
    return EnvelopeHeader(
        kind=fields.pop("kind", EnvelopeKind.DISPATCH),
        transfer_id=fields.pop("transfer_id", "t1"),
        agent_id=fields.pop("agent_id", "tour"),
        birth_id=fields.pop("birth_id", "birth"),
        epoch=fields.pop("epoch", Epoch(0, 1)),
        manifest=fields.pop("manifest", MANIFEST),
        source=fields.pop("source", BETA),
        target=fields.pop("target", ALPHA),
        ticket=fields.pop("ticket", TransferTicket(destination="alpha")),
        state_bytes=len(state),
        state_sha256=hashlib.sha256(state).hexdigest(),
        **fields,
    )


def make_moving(target=BETA, queue=(), **fields):
    """A promised row with the envelope that it is sent with."""
    row = make_row(
        fields.pop("status", PagletStatus.MOVING),
        epoch=fields.pop("epoch", Epoch(0, 1)),
        transfer_id="t1",
        peer=target,
        **fields,
    )
    header = make_header(
        source=ALPHA,
        target=target,
        queue=tuple(EnvelopeMessage(message_id=i, priority=5, body=make_body(i)) for i in queue),
    )
    return replace(row, envelope=encode_header(header))


def make_body(message_id="m1", **fields):
    return encode_message(
        WireMessage(kind=fields.pop("kind", "go"), message_id=message_id, **fields)
    )


def make_ref(host=BETA, **fields):
    return PagletProxyRef(
        host_url=host.url,
        agent_id=fields.pop("agent_id", "tour"),
        host_id=host.host_id,
        host_name=host.name,
        epoch=fields.pop("epoch", Epoch(0, 1)),
        birth_id=fields.pop("birth_id", "birth"),
    )


def make_host(peer=BETA, **fields):
    return HostRef(
        name=peer.name,
        url=fields.pop("url", peer.url),
        host_id=peer.host_id,
        code_version=fields.pop("code_version", "v1"),
        **fields,
    )
