"""Every world the move can come to, with the decisions that the product runs on.

`move_model.py` says what may happen, `explorer.py` visits it all. The refuted variants replace one
decision each, and show that the exploration would find the defect.
"""

from dataclasses import replace

import pytest

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome
from paglets.runtime import lifecycle, ownership
from paglets.runtime.lifecycle import Refused, Settled
from paglets.runtime.ownership import Recovery
from paglets.store.rows import Blob
from paglets.store.writes import Expect, PutRow, SettleTransfer
from tests.unit.runtime.explorer import Explorer, Finding
from tests.unit.runtime.move_model import Rules, Scene, commit_blindly

SAFE = {
    "back and forth": Scene(moves=3),
    "checks that fail at any time": Scene(moves=2, checks_fail=True),
    "slow receiving and slow commits": Scene(windows=True),
    "slow commits and failing checks": Scene(moves=1, windows=True, checks_fail=True),
    "children that outlive their host": Scene(moves=3, orphans=True),
    "a clone": Scene(kind=EnvelopeKind.CLONE, checks_fail=True),
    "a clone over slow commits": Scene(kind=EnvelopeKind.CLONE, windows=True, moves=1),
    "hosts that compare what they own": Scene(claims=True),
    "records forgotten once settled": Scene(forgets=True),
    "records of refusals forgotten once settled": Scene(forgets=True, checks_fail=True),
    "records forgotten after slow commits": Scene(
        windows=True, forgets=True, checks_fail=True, moves=1
    ),
    "records of a clone forgotten once settled": Scene(
        kind=EnvelopeKind.CLONE, forgets=True, checks_fail=True
    ),
    "an address that another host has taken": Scene(hosts=3, address_reused=True),
    "three hosts": Scene(hosts=3),
    "an operator who resolves": Scene(resolves=True, claims=True, moves=1),
    "a data folder restored from a copy": Scene(restores=True, claims=True),
}
SAFE_AND_LARGE = {
    "back and forth with slow commits": Scene(moves=3, windows=True, kills=False),
    "kill -9 amid slow commits and failing checks": Scene(windows=True, checks_fail=True),
    "three hosts, three moves": Scene(hosts=3, moves=3),
    "an operator who resolves, two moves": Scene(resolves=True, claims=True),
    "an operator and a restored folder": Scene(restores=True, claims=True, resolves=True),
}


def explore(scene: Scene) -> Finding:
    found = Explorer(scene).explore()
    print(f"{found.worlds} worlds", *found.story, sep="\n  ")
    return found


def assert_safe(found: Finding) -> None:
    assert found.violation is None, found.story
    assert found.stuck == 0, found.story


@pytest.mark.parametrize("name", SAFE)
def test_a_paglet_never_runs_twice_is_never_lost_and_can_always_go_on_with(name: str) -> None:
    assert_safe(explore(SAFE[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", SAFE_AND_LARGE)
def test_a_paglet_is_safe_in_the_large_with(name: str) -> None:
    assert_safe(explore(SAFE_AND_LARGE[name]))


def test_the_explored_worlds_contain_what_they_are_about() -> None:
    labels = explore(SAFE["back and forth"]).reached
    labels |= explore(SAFE["checks that fail at any time"]).reached
    labels |= explore(SAFE["an operator who resolves"]).reached
    labels |= explore(SAFE["a data folder restored from a copy"]).reached
    labels |= explore(SAFE["slow receiving and slow commits"]).reached
    labels |= explore(SAFE["records of refusals forgotten once settled"]).reached
    for expected in (
        "1: t1 is accepted: commit",
        "1: t1 is refused: commit",
        "0: t2 is accepted: commit",
        "0: no answer: resume",
        "0: told t1 accepted by 1",
        "0: told t1 refused by 1",
        "1: GET t1 unknown: commit",
        "1: t1 is answered",
        "0: restart (continue)",
        "1: restart (start)",
        "0: operator: resume",
        "0: operator: drop",
        "0: restart (hold)",
        "1: stale: nothing is done",
        "1: t1 confirmed",
        "0: t1 confirmed",
        "1: 24 h later: forget t1",
    ):
        assert expected in labels
    assert any("fenced by" in label for label in labels)


# --- refuted variants: each is one decision that is forbidden -------------------------------------


def refuse_without_writing(record, transfer_id, asker, *, now):
    decision = lifecycle.decide_query(record, transfer_id, asker, now=now)
    return replace(decision, writes=()) if isinstance(decision, Refused) else decision


def check_before_the_record(row, record, offer, *, arriving, failure, now):
    if failure is not None and record is not None:
        return Refused((), "checks")
    return lifecycle.decide_offer(row, record, offer, arriving=arriving, failure=failure, now=now)


def accept_without_the_record(row, record, offer, *, arriving, failure, now):
    return lifecycle.decide_offer(row, None, offer, arriving=arriving, failure=failure, now=now)


def write_moved_whatever_the_row_is(row, record, outcome, **known):
    settled = lifecycle.decide_outcome(row, record, outcome, **known)
    if not settled.is_late or row is None or outcome is not TransferOutcome.ACCEPTED:
        return settled
    moved = replace(row, status=PagletStatus.MOVED, state=Blob.inline(b""))
    return Settled((PutRow(moved, Expect(row.status, row.epoch)),), moved, resumes=False)


def resume_whatever_the_row_is(row, record, outcome, *, resting, reached, now):
    if row is not None and outcome is TransferOutcome.REFUSED:
        back = replace(row, status=resting, transfer_id=None, peer=None)
        settle = SettleTransfer(record.transfer_id, outcome, now, settled=True)
        return Settled((settle, PutRow(back, Expect(row.status, row.epoch))), back, resumes=True)
    return lifecycle.decide_outcome(row, record, outcome, resting=resting, reached=reached, now=now)


def settle_refusals_at_once(row, record, outcome, *, resting, reached, now):
    reached = reached and outcome is TransferOutcome.ACCEPTED
    return lifecycle.decide_outcome(row, record, outcome, resting=resting, reached=reached, now=now)


def resolve_in_the_same_term(row, *, resume, record, now):
    resolution = ownership.decide_resolve(row, resume=resume, record=record, now=now)
    if resolution is None or not resume:
        return resolution
    same = replace(resolution.row, epoch=row.epoch)
    writes = tuple(
        PutRow(same, write.expect) if isinstance(write, PutRow) else write
        for write in resolution.writes
    )
    return replace(resolution, writes=writes, row=same)


def believe_claims_about_oneself(row, record, claim, *, me, now):
    return ownership.decide_claim(row, record, claim, me="nobody", now=now)


def start_whatever_peers_say(row, *, rolled_back):
    return ownership.decide_recovery(row, rolled_back=False)


def start_what_is_promised(row, *, rolled_back):
    plan = ownership.decide_recovery(row, rolled_back=rolled_back)
    return Recovery.START if plan == Recovery.CONTINUE else plan


REFUTED = {
    "resumes when nobody answers": (
        Scene(rules=Rules(resumes_on_silence=True)),
        "two running",
    ),
    "says unknown without having refused durably": (
        Scene(rules=Rules(query=refuse_without_writing)),
        "two running",
    ),
    "checks before it looks for the record": (
        Scene(checks_fail=True, rules=Rules(offer=check_before_the_record)),
        "two running",
    ),
    "decides an offer without looking for the record, and overwrites": (
        Scene(rules=Rules(offer=accept_without_the_record, commit=commit_blindly)),
        "two running",
    ),
    "writes MOVED whatever the row is": (
        Scene(moves=3, rules=Rules(outcome=write_moved_whatever_the_row_is)),
        "lost",
    ),
    "resumes by a late refusal whatever the row is": (
        Scene(moves=3, rules=Rules(outcome=resume_whatever_the_row_is)),
        "two running",
    ),
    "commits without looking at what is there": (
        Scene(windows=True, rules=Rules(commit=commit_blindly)),
        "two running",
    ),
    "forgets records before both sides have settled": (
        Scene(forgets=True, rules=Rules(forgets_unsettled=True)),
        "two running",
    ),
    "counts only the last attempt for never having reached the target": (
        Scene(rules=Rules(forgets_attempts=True)),
        "two running",
    ),
    "heeds whoever answers at the target's address": (
        Scene(hosts=3, address_reused=True, rules=Rules(heeds_any_host=True)),
        "two running",
    ),
    "starts before orphans have ended": (
        Scene(orphans=True, rules=Rules(sweeps_orphans=False)),
        "two running",
    ),
    "starts a promised row after a restart": (
        Scene(rules=Rules(recovery=start_what_is_promised)),
        "runs without a row of its own",
    ),
    "starts a restored folder at once": (
        Scene(restores=True, claims=True, rules=Rules(recovery=start_whatever_peers_say)),
        "two running",
    ),
    "lets an operator resume in the same term": (
        Scene(resolves=True, claims=True, rules=Rules(resolve=resolve_in_the_same_term)),
        "two running",
    ),
    "gives its only copy up because a peer says that it has it": (
        Scene(moves=3, restores=True, claims=True, rules=Rules(claim=believe_claims_about_oneself)),
        "a tombstone that points at its own host",
    ),
}


@pytest.mark.parametrize("name", REFUTED)
def test_the_exploration_refutes_a_host_that(name: str) -> None:
    scene, expected = REFUTED[name]
    found = explore(scene)
    assert found.violation == expected
    assert found.story


def test_a_source_that_tells_nobody_of_a_refusal_leaves_its_target_a_record_for_ever() -> None:
    scene = Scene(forgets=True, checks_fail=True, moves=1)
    found = explore(replace(scene, rules=Rules(outcome=settle_refusals_at_once)))
    assert found.violation is None
    assert found.stuck > 0
    assert "1: t1 is refused: commit" in found.story


@pytest.mark.slow
def test_beyond_the_promise_a_restored_host_takes_again_what_it_had_passed_on() -> None:
    """Our promise ends where a disk forgets what it had synced: this is what it ends with.

    The source of a transfer in doubt offers it again to a host that has forgotten having accepted
    it and sent it on. Both copies run until the hosts compare what they own (`Scene.claims`).
    """
    found = explore(Scene(hosts=3, moves=3, restores=True))
    assert found.violation == "two running"
    assert any("restored" in step for step in found.story)
