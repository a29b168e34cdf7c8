"""Rows and records for tests of the store, with only what a test is about given."""

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferRole
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.store.rows import Blob, PagletRow, QueuedMessage, TransferRow
from paglets.store.writes import Expect

MANIFEST = ClassManifest(class_name="tour:Tour", state_class="tour:State", code_version="1")
PEER = PeerAddress("host-b", "beta", "http://beta:8765")
ACTIVE = Expect(PagletStatus.ACTIVE, Epoch())


def make_row(agent_id="tour", status=PagletStatus.ACTIVE, state=b"state", **fields):
    blob = state if isinstance(state, Blob) else Blob.inline(state)
    fields.setdefault("manifest", MANIFEST)
    return PagletRow(agent_id=agent_id, birth_id="birth", status=status, state=blob, **fields)


def make_transfer(transfer_id="t1", **fields):
    return TransferRow(
        transfer_id=transfer_id,
        role=fields.pop("role", TransferRole.TARGET),
        kind=EnvelopeKind.DISPATCH,
        agent_id=fields.pop("agent_id", "tour"),
        birth_id="birth",
        peer=PEER,
        epoch=Epoch(0, 1),
        **fields,
    )


def make_message(message_id, agent_id="tour", body=b"{}"):
    return QueuedMessage(agent_id=agent_id, message_id=message_id, priority=5, body=body)
