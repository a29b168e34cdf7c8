"""The move as a world that can be explored whole: hosts, a net, and the product's own decisions.

A host is what is durable of it (row and records) and a few facts about its process. Every step
asks a decision function of `paglets.runtime.lifecycle` or `ownership` and applies its writes as
the store does: all, or none where an expectation does not hold. Messages stay in the net for ever,
so each is delivered never, once or often, at any later moment. `explorer.py` visits all worlds.

Hosts are numbered: 0 is where the paglet is born. One paglet is looked at, so a host has one row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome, TransferRole
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.runtime import lifecycle, ownership
from paglets.runtime.lifecycle import PROMISED, Accepted, Answered, Offer
from paglets.runtime.ownership import Claimed, Recovery
from paglets.store.apply import _settled
from paglets.store.rows import Due, PagletRow, TransferRow
from paglets.store.writes import (
    DeleteRow,
    PutRow,
    PutTransfer,
    SettleTransfer,
    StaleWriteError,
    Write,
)

BIRTH = "birth"
MANIFEST = ClassManifest(class_name="tour:Tour", state_class=None, code_version="1")
FAILED = b'{"error":{"code":"too_large"}}'
ACCEPTED, REFUSED = TransferOutcome.ACCEPTED, TransferOutcome.REFUSED


def peer(number: int) -> PeerAddress:
    return PeerAddress(f"id-{number}", f"host-{number}", f"http://host-{number}")


def number_of(address: PeerAddress) -> int:
    return int(address.host_id[3:])


class Put(NamedTuple):
    """An offer on its way."""

    transfer_id: str
    source: int
    to: int
    epoch: Epoch
    kind: EnvelopeKind


class Get(NamedTuple):
    """A question for the outcome on its way."""

    transfer_id: str
    source: int
    to: int


class Word(NamedTuple):
    """A host's signed outcome on its way back."""

    transfer_id: str
    by: int
    to: int
    outcome: TransferOutcome


class Confirm(NamedTuple):
    """`POST /transfers/{id}/settled` on its way."""

    transfer_id: str
    source: int
    to: int


class Confirmed(NamedTuple):
    """The answer to a Confirm."""

    transfer_id: str
    to: int


class Claim(NamedTuple):
    """A host's word who owns the paglet, for whoever hears it."""

    epoch: Epoch
    owner: int


Message = Put | Get | Word | Confirm | Confirmed | Claim


@dataclass(frozen=True)
class Pending:
    """Writes that were decided and have not been committed: anything may happen in between."""

    writes: tuple[Write, ...]
    word: Word | None = None
    starts: Epoch | None = None


@dataclass(frozen=True)
class Host:
    """One host: what is on its disk, then what dies with its process."""

    row: PagletRow | None = None
    records: frozenset[TransferRow] = frozenset()
    rolled_back: bool = False
    """Peers remember a later life of the data folder."""
    up: bool = True
    running: Epoch | None = None
    orphan: Epoch | None = None
    """A Paglet Process that has outlived its host."""
    receiving: frozenset[Put] = frozenset()
    untouched: frozenset[str] = frozenset()
    """Transfers made by this process of which no attempt ever got a connection."""
    pending: frozenset[Pending] = frozenset()

    def record(self, transfer_id: str) -> TransferRow | None:
        return next((r for r in self.records if r.transfer_id == transfer_id), None)


Store = Callable[[Host, tuple[Write, ...]], Host | None]


def commit(host: Host, writes: tuple[Write, ...]) -> Host | None:
    """Apply writes as `paglets.store` does; None where one is stale, and then nothing is done."""
    row, records = host.row, {record.transfer_id: record for record in host.records}
    for write in writes:
        if isinstance(write, PutRow | DeleteRow):
            if (None if row is None else (row.status, row.epoch)) != write.expect:
                return None
            row = write.row if isinstance(write, PutRow) else None
        elif not _commit_record(records, write):
            return None
    return replace(host, row=row, records=frozenset(records.values()))


def _commit_record(records: dict[str, TransferRow], write: Write) -> bool:
    match write:
        case PutTransfer(record) if record.transfer_id not in records:
            records[record.transfer_id] = record
        case SettleTransfer(transfer_id) if transfer_id in records:
            try:
                records[transfer_id] = _settled(records[transfer_id], write)
            except StaleWriteError:
                return False
        case _:
            assert isinstance(write, PutTransfer | SettleTransfer), "the move writes nothing else"
            return False
    return True


def commit_blindly(host: Host, writes: tuple[Write, ...]) -> Host:
    """A refuted store: writes what it is told, whatever is there."""
    row, records = host.row, {record.transfer_id: record for record in host.records}
    for write in writes:
        match write:
            case PutRow(new):
                row = new
            case DeleteRow():
                row = None
            case PutTransfer(record):
                records[record.transfer_id] = record
            case SettleTransfer(transfer_id, outcome):
                records[transfer_id] = replace(records[transfer_id], outcome=outcome)
            case _:
                raise AssertionError(f"the move does not write {write}")
    return replace(host, row=row, records=frozenset(records.values()))


@dataclass(frozen=True)
class Rules:
    """What decides. The defaults are the product's; refuted variants replace one of them."""

    promise: Callable = lifecycle.decide_promise
    offer: Callable = lifecycle.decide_offer
    query: Callable = lifecycle.decide_query
    outcome: Callable = lifecycle.decide_outcome
    resolve: Callable = ownership.decide_resolve
    claim: Callable = ownership.decide_claim
    recovery: Callable = ownership.decide_recovery
    commit: Store = commit
    resumes_on_silence: bool = False
    heeds_any_host: bool = False
    forgets_unsettled: bool = False
    forgets_attempts: bool = False
    """Whether only the last attempt counts for "nothing can have reached the target"."""
    sweeps_orphans: bool = True


@dataclass(frozen=True)
class Scene:
    """What may happen in one exploration, beside loss, duplication, delay, kill and restart."""

    moves: int = 2
    hosts: int = 2
    kind: EnvelopeKind = EnvelopeKind.DISPATCH
    checks_fail: bool = False
    """The target's checks may fail at any time: draining, full, another code version."""
    windows: bool = False
    """Receiving takes time, and so does each commit of the target."""
    orphans: bool = False
    claims: bool = False
    resolves: bool = False
    restores: bool = False
    forgets: bool = False
    address_reused: bool = False
    """Host 2 answers at the address of host 1."""
    kills: bool = True
    rules: Rules = field(default_factory=Rules)


class Step(NamedTuple):
    """One thing that may happen to a host."""

    label: str
    host: Host
    sends: tuple[Message, ...] = ()
    moves: int = 0
    """Transfers begun by it."""
    spends: str | None = None
    """Something that happens once only."""
    drains: str | None = None
    """Transfer whose messages are no longer under way; `*`: all to this host."""
    is_fault: bool = False


def born(scene: Scene) -> tuple[Host, ...]:
    """Return the hosts as they are when it begins."""
    first = Host()
    if scene.kind is not EnvelopeKind.CLONE:
        row = PagletRow(
            agent_id="tour", birth_id=BIRTH, manifest=MANIFEST, status=PagletStatus.ACTIVE
        )
        first = Host(row=row, running=row.epoch)
    return (first, *(Host() for _ in range(scene.hosts - 1)))


class Actor:
    """Says what may happen to host `me` next."""

    def __init__(self, scene: Scene, me: int) -> None:
        self.scene = scene
        self.rules = scene.rules
        self.me = me

    def alone(self, host: Host, moves: int, spent: frozenset[str]) -> Iterator[Step]:
        """Yield what may happen without a message, after `moves` transfers in this world."""
        if host.orphan is not None:
            yield Step("orphan ends", replace(host, orphan=None))
        if not host.up:
            yield self._restart(host)
            if self.scene.restores and self.me == 0 and "restored" not in spent:
                yield self._restored(host)
            return
        yield from self._departs(host, moves)
        yield from self._carries(host)
        yield from self._receives(host)
        if self.scene.claims and host.row is not None:
            yield Step("claim", host, (self._claim(host.row),))
        if self.scene.resolves and "resolved" not in spent:
            yield from self._resolves(host)
        if self.scene.forgets:
            yield from self._forgets(host)
        if self.scene.kills:
            orphan = host.running if self.scene.orphans else None
            yield Step("kill -9", self._dead(host, orphan), is_fault=True)

    def _dead(self, host: Host, orphan: Epoch | None) -> Host:
        return Host(
            host.row,
            host.records,
            host.rolled_back,
            up=False,
            orphan=orphan or host.orphan,
        )

    def _restart(self, host: Host) -> Step:
        orphan = None if self.rules.sweeps_orphans else host.orphan
        started = replace(host, up=True, orphan=orphan)
        if host.row is None:
            return Step("restart", started)
        plan = self.rules.recovery(host.row, rolled_back=host.rolled_back)
        if plan == Recovery.START:
            started = replace(started, running=host.row.epoch)
        elif plan == Recovery.HOLD:
            started = replace(started, row=replace(host.row, status=PagletStatus.HELD))
        return Step(f"restart ({plan})", started)

    def _restored(self, host: Host) -> Step:
        first = born(self.scene)[0]
        return Step(
            "data folder restored from the first day",
            replace(host, row=first.row, records=frozenset(), rolled_back=True),
            spends="restored",
            drains="*",
            is_fault=True,
        )

    def _departs(self, host: Host, moves: int) -> Iterator[Step]:
        if moves >= self.scene.moves or (self.scene.address_reused and self.me == 2):
            return
        transfer_id = f"t{moves + 1}"
        for to in range(2 if self.scene.address_reused else self.scene.hosts):
            if to == self.me:
                continue
            if self.scene.kind is EnvelopeKind.CLONE:
                yield from self._clones(host, to, transfer_id)
            elif host.row is not None and host.running is not None:
                promise = self.rules.promise(
                    host.row, peer(to), transfer_id, kind=self.scene.kind, not_after=0, now=0
                )
                if promise is None:
                    continue
                writes = (PutTransfer(promise.record), PutRow(promise.row, promise.expect))
                done = self.rules.commit(host, writes)
                if done is not None:
                    yield self._left(done, transfer_id, to)

    def _left(self, host: Host, transfer_id: str, to: int) -> Step:
        untouched = host.untouched | {transfer_id}
        left = replace(host, running=None, untouched=untouched)
        return Step(f"promise {transfer_id} to {to}", left, moves=1)

    def _clones(self, host: Host, to: int, transfer_id: str) -> Iterator[Step]:
        if self.me != 0 or host.row is not None:
            return
        row = PagletRow(
            agent_id="clone",
            birth_id=BIRTH,
            manifest=MANIFEST,
            status=PagletStatus.CLONING,
            transfer_id=transfer_id,
            peer=peer(to),
        )
        record = lifecycle.source_record(
            row, peer(to), transfer_id, kind=EnvelopeKind.CLONE, not_after=0, now=0
        )
        done = self.rules.commit(host, (PutRow(row, None), PutTransfer(record)))
        if done is not None:
            yield self._left(done, transfer_id, to)

    def _carries(self, host: Host) -> Iterator[Step]:
        """The courier's part."""
        for record in host.records:
            if record.role is not TransferRole.SOURCE:
                continue
            transfer_id, to = record.transfer_id, number_of(record.peer)
            decided = record.outcome is not TransferOutcome.UNDECIDED
            if decided and record.settled_at is None and self.scene.forgets:
                yield Step("confirm", host, (Confirm(transfer_id, self.me, to),))
            row = host.row
            if row is None or row.status not in PROMISED or row.transfer_id != transfer_id:
                continue
            forget = set() if self.rules.forgets_attempts else {transfer_id}
            touched = replace(host, untouched=host.untouched - forget)
            put = Put(transfer_id, self.me, to, record.epoch, record.kind)
            yield Step(f"PUT {transfer_id}", touched, (put,))
            yield Step(f"GET {transfer_id}", touched, (Get(transfer_id, self.me, to),))
            if transfer_id in host.untouched or self.rules.resumes_on_silence:
                yield from self._settles(host, record, REFUSED, "no answer: resume", reached=False)

    def _settles(
        self,
        host: Host,
        record: TransferRow,
        outcome: TransferOutcome,
        label: str,
        *,
        reached: bool = True,
    ) -> Iterator[Step]:
        settled = self.rules.outcome(
            host.row, record, outcome, resting=PagletStatus.ACTIVE, reached=reached, now=0
        )
        done = self.rules.commit(host, settled.writes)
        if done is None or done == host:
            return
        running = done.running
        if settled.resumes and settled.row is not None:
            running = settled.row.epoch
        elif settled.row is not None:
            running = None
        untouched = done.untouched - {record.transfer_id}
        yield Step(label, replace(done, running=running, untouched=untouched))

    def _receives(self, host: Host) -> Iterator[Step]:
        for put in host.receiving:
            yield from self._judges(replace(host, receiving=host.receiving - {put}), put)
        for pending in host.pending:
            left = replace(host, pending=host.pending - {pending})
            yield self._commits(left, pending)

    def _commits(self, host: Host, pending: Pending) -> Step:
        done = self.rules.commit(host, pending.writes)
        if done is None:
            return Step("stale: nothing is done", host)
        if pending.starts is not None:
            # The driver ends an older copy before the one that has arrived is started.
            done = replace(done, running=pending.starts)
        return Step("commit", done, () if pending.word is None else (pending.word,))

    def _decided(self, host: Host, label: str, pending: Pending) -> Step:
        if self.scene.windows:
            return Step(
                f"{label}, to be committed", replace(host, pending=host.pending | {pending})
            )
        step = self._commits(host, pending)
        return step._replace(label=f"{label}: {step.label}")

    def _judges(self, host: Host, put: Put) -> Iterator[Step]:
        failures = (None, FAILED) if self.scene.checks_fail else (None,)
        for failure in failures:
            yield self._judge(host, put, failure)

    def _judge(self, host: Host, put: Put, failure: bytes | None) -> Step:
        agent_id = "clone" if put.kind is EnvelopeKind.CLONE else "tour"
        source = peer(put.source)
        offer = Offer(put.transfer_id, put.kind, source, put.epoch, BIRTH, agent_id)
        arriving = PagletRow(
            agent_id=agent_id,
            birth_id=BIRTH,
            manifest=MANIFEST,
            status=PagletStatus.ACTIVE,
            epoch=put.epoch,
            transfer_id=put.transfer_id,
            due=Due("on_arrival", b"{}"),
        )
        decision = self.rules.offer(
            host.row,
            host.record(put.transfer_id),
            offer,
            arriving=arriving if failure is None else None,
            failure=failure,
            now=0,
        )
        label = f"{put.transfer_id} is {type(decision).__name__.lower()}"
        match decision:
            case Answered(outcome):
                return Step(label, host, (self._word(put.transfer_id, put.source, outcome),))
            case Accepted(writes):
                word = self._word(put.transfer_id, put.source, ACCEPTED)
                return self._decided(host, label, Pending(writes, word, put.epoch))
            case _:
                word = self._word(put.transfer_id, put.source, REFUSED)
                return self._decided(host, label, Pending(decision.writes, word))

    def _word(self, transfer_id: str, to: int, outcome: TransferOutcome) -> Word:
        return Word(transfer_id, self.me, to, outcome)

    def _claim(self, row: PagletRow) -> Claim:
        """As `Fencing._claim`."""
        owner = self.me
        if row.status in {PagletStatus.MOVED, PagletStatus.MOVING} and row.peer is not None:
            owner = number_of(row.peer)
        return Claim(row.epoch, owner)

    def _resolves(self, host: Host) -> Iterator[Step]:
        if host.row is None:
            return
        record = None if host.row.transfer_id is None else host.record(host.row.transfer_id)
        for resume in (True, False):
            resolution = self.rules.resolve(host.row, resume=resume, record=record, now=0)
            if resolution is None:
                continue
            done = self.rules.commit(host, resolution.writes)
            if done is None:
                continue
            running = resolution.row.epoch if resolution.resumes else None
            label = "operator: resume" if resume else "operator: drop"
            spends = "resolved" if resume else "dropped"
            yield Step(label, replace(done, running=running), spends=spends)

    def _forgets(self, host: Host) -> Iterator[Step]:
        if host.receiving or host.pending:
            return  # neither takes a day
        for record in host.records:
            if record.settled_at is not None or self.rules.forgets_unsettled:
                left = replace(host, records=host.records - {record})
                yield Step(
                    f"24 h later: forget {record.transfer_id}", left, drains=record.transfer_id
                )

    def hears(self, host: Host, message: Message) -> Iterator[Step]:
        """Yield what a message may do to this host; nothing where it is not for it."""
        if not host.up:
            return
        match message:
            case Put() | Get():
                yield from self._asked(host, message)
            case Word(transfer_id, by, to, outcome) if to == self.me:
                record = host.record(transfer_id)
                if record is None or record.role is not TransferRole.SOURCE:
                    return
                if by == number_of(record.peer) or self.rules.heeds_any_host:
                    label = f"told {transfer_id} {outcome} by {by}"
                    yield from self._settles(host, record, outcome, label)
            case Confirm(transfer_id, source, to) if to == self.me:
                yield from self._confirmed(host, transfer_id, (Confirmed(transfer_id, source),))
            case Confirmed(transfer_id, to) if to == self.me:
                yield from self._confirmed(host, transfer_id, ())
            case Claim():
                yield from self._fenced(host, message)
            case _:
                return

    def _asked(self, host: Host, message: Put | Get) -> Iterator[Step]:
        is_reused = self.scene.address_reused and self.me == 2 and message.to == 1
        if message.to != self.me and not is_reused:
            return
        if any(put.transfer_id == message.transfer_id for put in host.receiving):
            return  # both wait for the copy that is being received
        if isinstance(message, Put):
            if is_reused and not self.rules.heeds_any_host:
                return  # 421
            if self.scene.windows and host.record(message.transfer_id) is None:
                yield Step(
                    f"receiving {message.transfer_id}",
                    replace(host, receiving=host.receiving | {message}),
                )
            else:
                yield from self._judges(host, message)
            return
        record = host.record(message.transfer_id)
        decision = self.rules.query(record, message.transfer_id, peer(message.source), now=0)
        transfer_id, source = message.transfer_id, message.source
        if isinstance(decision, Answered):
            yield Step("GET answered", host, (self._word(transfer_id, source, decision.outcome),))
            return
        word = self._word(transfer_id, source, REFUSED)
        yield self._decided(host, f"GET {transfer_id} unknown", Pending(decision.writes, word))

    def _confirmed(
        self, host: Host, transfer_id: str, sends: tuple[Message, ...]
    ) -> Iterator[Step]:
        record = host.record(transfer_id)
        if record is None:
            yield Step("nothing to confirm", host, sends)
            return
        if record.outcome is TransferOutcome.UNDECIDED:
            return
        settle = SettleTransfer(transfer_id, record.outcome, 0, settled=True)
        done = self.rules.commit(host, (settle,))
        if done is not None:
            yield Step(f"{transfer_id} confirmed", done, sends)

    def _fenced(self, host: Host, claim: Claim) -> Iterator[Step]:
        row = host.row
        if row is None:
            return
        if row.epoch > claim.epoch:
            yield Step("claim contradicted", host, (self._claim(row),))
            return
        record = None if row.transfer_id is None else host.record(row.transfer_id)
        fenced = self.rules.claim(
            row,
            record,
            Claimed(BIRTH, claim.epoch, peer(claim.owner)),
            me=peer(self.me).host_id,
            now=0,
        )
        if fenced is None:
            return
        done = self.rules.commit(host, fenced.writes)
        if done is not None:
            yield Step(f"fenced by {claim}", replace(done, running=None))
