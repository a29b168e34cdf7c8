"""A move's envelope holds state, queue, memory of ids and files; a clone's only state and files."""

import hashlib
import json
import time
from dataclasses import replace

import pytest

from paglets.model.enums import ArrivalMode, EnvelopeKind, PagletStatus
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import Epoch
from paglets.model.transfer import TransferTicket
from paglets.runtime.courier import envelope_of, resting_status, travelled
from paglets.runtime.mailbox import Entry
from paglets.runtime.packing import Packer, clone_event, creation_event, mobility_event
from paglets.runtime.roster import Roster
from paglets.store.rows import Blob, RememberedOutcome
from tests.unit.runtime.samples import ALPHA, BETA, make_ref, make_row

TICKET = TransferTicket(destination="beta", arrival_mode=ArrivalMode.INACTIVE)


@pytest.fixture
def packer(tmp_path):
    return Packer(Roster(ALPHA), tmp_path)


def paglet(row):
    return Roster(ALPHA).put(row)


def remember(message_id, *, left):
    return RememberedOutcome(
        agent_id="tour", message_id=message_id, outcome=b"R{}", expires_at=time.time() + left
    )


def pack(packer, moving, row=None, kind=EnvelopeKind.DISPATCH):
    row = row or moving.row
    promised = replace(
        row, status=PagletStatus.MOVING, epoch=Epoch(0, 1), transfer_id="t1", peer=BETA
    )
    return packer.pack_move(moving, promised, TICKET, kind, promised.state)


def test_the_header_says_what_moves_where_and_what_follows(packer):
    files = (("a.txt", Blob.inline(b"file")),)
    header = envelope_of(pack(packer, paglet(make_row(files=files))))
    assert (header.transfer_id, header.agent_id, header.birth_id) == ("t1", "tour", "birth")
    assert (header.epoch, header.source, header.target) == (Epoch(0, 1), ALPHA, BETA)
    assert (header.state_bytes, header.body_bytes) == (5, 9)
    assert header.state_sha256 == hashlib.sha256(b"state").hexdigest()
    assert header.files[0].sha256 == hashlib.sha256(b"file").hexdigest()
    assert header.arrival_mode is ArrivalMode.INACTIVE
    assert not header.inactive


def test_queue_and_memory_travel_with_what_time_they_have_left(packer):
    moving = paglet(make_row())
    for number, priority in ((1, 5), (2, 9)):
        moving.mailbox.put(
            Entry(f"m{number}", priority, b"{}", 1e9, "", oneway=True, work=None),
            agent_id="tour",
        )
    moving.remembered = {"new": remember("new", left=30), "old": remember("old", left=-1)}
    row = pack(packer, moving)
    header = envelope_of(row)
    assert [message.message_id for message in header.queue] == ["m2", "m1"]
    assert [kept.message_id for kept in header.outcomes] == ["new"]
    assert 29_000 < header.outcomes[0].ttl_ms <= 30_000
    assert moving.travelled == {"m1", "m2"}
    assert travelled(row) == ("m2", "m1")


def test_an_inactive_paglet_travels_with_its_policy_and_falls_back_to_sleep(packer):
    policy = DeactivationPolicy(activate_on_message=False)
    row = pack(packer, paglet(make_row(PagletStatus.INACTIVE, policy=policy)))
    header = envelope_of(row)
    assert header.inactive
    assert header.policy is not None
    assert resting_status(row) is PagletStatus.INACTIVE


def test_an_active_paglet_falls_back_to_being_active(packer):
    assert resting_status(pack(packer, paglet(make_row()))) is PagletStatus.ACTIVE
    assert resting_status(make_row()) is PagletStatus.ACTIVE


def test_a_clone_takes_no_queue_and_no_memory_along(packer):
    row = make_row(PagletStatus.CLONING, agent_id="clone", transfer_id="t1", peer=BETA)
    header = envelope_of(packer.pack_clone(row, TICKET, make_ref(ALPHA)))
    assert (header.kind, header.agent_id) == (EnvelopeKind.CLONE, "clone")
    assert header.clone_of == make_ref(ALPHA)
    assert (header.queue, header.outcomes) == ((), ())


def test_a_row_without_an_envelope_has_taken_nothing_along():
    assert travelled(make_row()) == ()


@pytest.mark.parametrize(
    ("kind", "reason"), [(EnvelopeKind.DISPATCH, "dispatch"), (EnvelopeKind.RETRACT, "retract")]
)
def test_events_are_json_for_the_child(kind, reason):
    assert json.loads(mobility_event(ALPHA, BETA, kind)) == {
        "source_host_name": "alpha",
        "target_host_name": "beta",
        "reason": reason,
    }
    assert json.loads(creation_event(ALPHA)) == {
        "host_name": "alpha",
        "host_address": "http://alpha:8765",
    }
    cloned = json.loads(clone_event(make_ref(ALPHA), "clone", ALPHA, BETA))
    assert (cloned["clone_agent_id"], cloned["source"]["agent_id"]) == ("clone", "tour")
