"""ComputeSlotsAgent: the resident that gives jobs slots of its host, and keeps the book of its own.

Table and book are its State, committed with each answer (`Durability.MESSAGE`), so they outlive
`kill -9`. Decisions are in `slots.py`, `book.py` and `rounds.py`, questions are answered by
`answers.py`, jobs are told by `nudging.py`; here the machine is measured and the clock read. A job
may be told before the cause is committed: it asks before it believes, so that does no harm.
"""

import sys
import time
from dataclasses import dataclass, field
from typing import ClassVar

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.contracts import ServiceContract
from paglets.agent.handlers import handles, provides
from paglets.agent.paglet import Paglet
from paglets.model.enums import Durability, RestartPolicy
from paglets.model.errors import PagletsError
from paglets.model.events import ActivationEvent
from paglets.model.message import Message
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots import contract as ops
from paglets.system.compute_slots.answers import Answers
from paglets.system.compute_slots.book import JobBook
from paglets.system.compute_slots.measuring import HostLimits, RoomReader, limits_of
from paglets.system.compute_slots.needs import Needs, Room
from paglets.system.compute_slots.nudging import Nudger
from paglets.system.compute_slots.rounds import TICK, Rounds, Ticked
from paglets.system.compute_slots.slots import SlotTable, SlotTimes

TICK_SECONDS = 60.0
"""Longest wait of `run()` for a tick to be over."""


@dataclass
class SlotsState:
    """What a host remembers of jobs, and what its owner lets them have."""

    limits: HostLimits = field(default_factory=HostLimits)
    times: SlotTimes = field(default_factory=SlotTimes)
    table: SlotTable = field(default_factory=SlotTable)
    book: JobBook = field(default_factory=JobBook)


class ComputeSlotsAgent(Paglet[SlotsState]):
    """The built-in eager resident `compute-slots`."""

    durability: ClassVar[Durability] = Durability.MESSAGE
    restart: ClassVar[RestartPolicy] = RestartPolicy.ON_CRASH
    services: ClassVar[tuple[ServiceContract, ...]] = (ops.COMPUTE_SLOTS,)
    auto_start: ClassVar[AutoStartSpec] = AutoStartSpec("compute-slots", agent_id="compute-slots")

    def __init__(self) -> None:
        self._rounds = Rounds()
        self._nudger = Nudger(self.context.proxies, self._look_again)
        self._has_news = True
        self._reader: RoomReader | None = None

    def on_activation(self, event: ActivationEvent) -> None:
        """Give jobs their leases anew: while this was away none could renew."""
        del event
        self.state.table.restarted(time.time())

    def run(self) -> None:
        """Let time pass for table and jobs: expire, admit, tell."""
        pause = TICK
        while not self.stopping:
            self.wait_state(lambda _state: self._has_news, pause)
            self._has_news = False
            try:
                tick = Message("tick", {"gone": self._nudger.take_gone()})
                ticked = self.context.proxy.send(tick, Ticked, timeout=TICK_SECONDS)
            except PagletsError as error:
                print(f"tick failed: {error}", file=sys.stderr)  # noqa: T201 - its log
                self.sleep(TICK)
                continue
            for job in ticked.turn:
                self._nudger.tell(job, is_cancelled=False)
            for job in ticked.end:
                self._nudger.tell(job, is_cancelled=True)
            self._nudger.look_for(ticked.silent)
            pause = ticked.pause

    @handles("tick")
    def tick(self, gone: list[str]) -> Ticked:
        """Let leases end, grant what has become free, and say whom to tell; sent by `run()`.

        Args:
            gone: Ids of jobs whose paglets are not there any more.
        """
        now = time.time()
        for job_id in gone:
            self.state.book.gone(job_id, now)
            if self.state.table.release(job_id):
                self._record("ended", job_id, "its paglet is gone")
        expired = self.state.table.expire(self.state.times, now)
        for slot in expired:
            self._record("expired", slot.request.job_id, "said nothing until its lease ended")
        self._admit(now)
        self._has_news = False
        return self._rounds.next(self.state.table, self.state.book, expired, now)

    @provides(ops.SUBMIT)
    def submit(self, order: ops.JobOrder) -> ops.Announced:
        """Expect a job that is made here next, unless it is known."""
        here = self.context.ref
        job = PagletProxyRef(
            here.host_url, order.job_id, host_id=here.host_id, host_name=self.context.host_name
        )
        is_new = self.state.book.expect(order, job, time.time())
        if not is_new:
            job = self.state.book.entries[order.job_id].job
        self._look_again()
        return ops.Announced(is_new, job)

    @provides(ops.REQUEST)
    def request(self, request: ops.SlotRequest) -> ops.SlotAnswer:
        """Give a job a slot, or a place in the queue; or say how it stands."""
        now, table, room = time.time(), self.state.table, self._room()
        is_new = request.job_id not in table.slots
        status = table.ask(request, room, now)
        if status is ops.SlotStatus.REFUSED:
            return self._answers(now).refusal(request.needs)
        if is_new:
            self._record("queued", request.job_id, f"asked for {request.needs.cores:g} cores")
        self._rounds.heard(request.job_id)
        self._admit(now)
        table.heard(request.job_id)
        return self._answers(now).standing(request.job_id)

    @provides(ops.RENEW)
    def renew(self, renewal: ops.Renewal) -> ops.SlotAnswer:
        """Keep the slot of a running job."""
        now = time.time()
        used = (renewal.memory_used_bytes, renewal.temp_used_bytes)
        self.state.table.renew(renewal.job_id, used, now)
        return self._answers(now).standing(renewal.job_id)

    @provides(ops.RELEASE)
    def release(self, name: ops.JobName) -> ops.Known:
        """Take back slot or place of a job that has ended or goes elsewhere."""
        is_known = self.state.table.release(name.job_id)
        if is_known:
            self._record("ended", name.job_id, "gave its place up")
            self._admit(time.time())
        return ops.Known(is_known)

    @provides(ops.NOTE)
    def note(self, note: ops.JobNote) -> ops.NoteAnswer:
        """Write down how far a job of this host is."""
        self._rounds.heard(note.job_id)
        return self.state.book.write(note, time.time())

    @provides(ops.FORGET)
    def forget(self, name: ops.JobName) -> ops.Known:
        """Remove a job from the book."""
        return ops.Known(self.state.book.forget(name.job_id))

    @provides(ops.CANCEL)
    def cancel(self, name: ops.JobName) -> ops.Known:
        """Have a job end, as soon as it hears of it."""
        in_table = self.state.table.cancel(name.job_id)
        in_book = self.state.book.cancel(name.job_id)
        if in_table or in_book:
            self._record("cancelled", name.job_id, "is to end")
            self._rounds.heard(name.job_id)
            self._admit(time.time())
        return ops.Known(in_table or in_book)

    @provides(ops.OFFER)
    def offer(self, needs: Needs) -> ops.Offer:
        """Say how this host would serve a job."""
        return self._answers(time.time()).offer(needs)

    @provides(ops.STATUS)
    def status(self, name: ops.JobName) -> ops.JobInfo:
        """Tell of one job."""
        return self._answers(time.time()).info(name.job_id)

    @provides(ops.LIST)
    def list(self, query: ops.JobQuery) -> ops.JobList:
        """Tell of the jobs of this host."""
        return self._answers(time.time()).list(query)

    @provides(ops.WHY)
    def why(self, name: ops.JobName) -> ops.WhyAnswer:
        """Say why a job is not further."""
        return self._answers(time.time()).why(name.job_id)

    @provides(ops.STATISTICS)
    def statistics(self, _query: ops.HostQuery) -> ops.SlotStatistics:
        """Tell how full this host is."""
        return self._answers(time.time()).statistics()

    def _answers(self, now: float) -> Answers:
        state = self.state
        return Answers(
            self.context.host_name, state.table, state.book, state.times, self._room(), now
        )

    def _room(self) -> Room:
        if self._reader is None:
            me = self.context.mesh.lookup(self.context.host_name)
            limits = limits_of(self.context.properties, self.state.limits)
            folder = self.context.storage.work_dir()
            self._reader = RoomReader(folder, limits, () if me is None else me.tags)
        return self._reader.room()

    def _admit(self, now: float) -> None:
        for slot in self.state.table.admit(self._room(), self.state.times, now):
            needs = slot.request.needs
            self._record("granted", slot.request.job_id, f"has {needs.cores:g} cores")
        self._look_again()

    def _look_again(self) -> None:
        """Have `run()` look at once for whom to tell, and when to look next."""
        self._has_news = True
        self.notify_state_changed()

    def _record(self, what: str, job_id: str, text: str) -> None:
        """Add an event with what is granted now, in sum."""
        use, room = self.state.table.use(), self._room()
        self.context.events.emit(
            "job",
            f"{job_id} {text}",
            what=what,
            job_id=job_id,
            cores_granted=use.cores,
            cores=room.cores,
            memory_granted_bytes=use.memory_bytes,
            memory_bytes=room.memory_bytes,
            temp_granted_bytes=use.temp_bytes,
            temp_bytes=room.temp_bytes,
        )
