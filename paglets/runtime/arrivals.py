"""Taking in paglets: the target's side of the move.

Order of a decision, which is what makes it safe to repeat: a record of this transfer decides
before any check; a transfer that is being received is waited for; then the checks; then one commit.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

from paglets.config.settings import Limits
from paglets.failpoints import failpoint_async
from paglets.model.enums import (
    ArrivalMode,
    PagletStatus,
    TransferOutcome,
)
from paglets.model.errors import (
    AgentIdTakenError,
    InvalidRequestError,
    MisdirectedError,
    PagletsError,
    TooLargeError,
    TransferError,
    UnavailableError,
)
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.runtime.acceptance import Acceptance, Whole, is_inactive, outcome_body
from paglets.runtime.admission import Admission
from paglets.runtime.common import Common
from paglets.runtime.lifecycle import (
    Answered,
    decide_query,
    objection,
)
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.starter import Birth, Starter
from paglets.runtime.unpacking import Unpacker
from paglets.store.rows import Blob
from paglets.store.writes import (
    SettleTransfer,
    StaleWriteError,
)
from paglets.wire.bodies import CheckAnswer, CheckBody, OutcomeBody
from paglets.wire.envelope import EnvelopeHeader
from paglets.wire.messages import PROTOCOL

_RECEIVING_TIMEOUT = 120.0
"""Seconds a repeat waits for the copy of its offer that is being received."""


class Arrivals:
    """Takes in paglets on one host; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        starter: Starter,
        admission: Admission,
        unpacker: Unpacker,
        limits: Limits,
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._activity = common.activity
        self._starter = starter
        self._admission = admission
        self._unpacker = unpacker
        self._recorder = common.recorder
        self._limits = limits
        self._timeouts = common.timeouts
        self._receiving: dict[str, asyncio.Future[None]] = {}
        self.superseded: Callable[[LocalPaglet, str], Awaitable[None]] = _nothing
        """Told of a transfer of this host that a return has proven accepted."""
        self._acceptance = Acceptance(
            common,
            superseded=lambda *told: self.superseded(*told),  # noqa: PLW0108 - bound only later
        )

    async def check(self, body: CheckBody) -> CheckAnswer:
        """Answer whether this host would take a paglet now; nothing is written.

        Raises:
            PagletsError: Why it would not: code version, capabilities, class, size, room.
        """
        await self._admission.require(
            class_name=body.class_name,
            code_version=body.code_version,
            ticket=body.ticket,
            state_bytes=body.state_bytes,
            protocol=body.protocol,
        )
        manifest = await self._admission.require_loadable(body.class_name)
        self._roster.require_alone(manifest, body.agent_id)
        present = self._roster.find(body.agent_id) if body.agent_id else None
        if (
            present is not None
            and present.row.birth_id != body.birth_id
            and present.row.status is not PagletStatus.MOVED
        ):
            raise AgentIdTakenError(
                f"{self._roster.me.name} has another paglet {body.agent_id}",
                agent_id=body.agent_id,
            )
        if body.ticket.arrival_mode is not ArrivalMode.INACTIVE:
            # While the source takes the state, a process here imports the class.
            self._starter.expect(body.class_name)
        return self._admission.answer(PROTOCOL)

    async def offer(
        self,
        transfer_id: str,
        header: EnvelopeHeader,
        encoded_header: bytes,
        chunks: AsyncIterator[bytes],
    ) -> OutcomeBody:
        """Take in an offered envelope and return this host's decision, durable when returned.

        Args:
            transfer_id: From the URL.
            header: The decoded header.
            encoded_header: The same with its prefix, as signed.
            chunks: State and files.

        Raises:
            MisdirectedError: It is addressed to another host id; nothing is settled.
            PagletsError: Anything else leaves the transfer undecided; the source repeats.
        """
        del encoded_header  # its digest was verified with the signature
        self._require_addressed(transfer_id, header)
        await self._while_receiving(transfer_id)
        known = self._store.transfer(transfer_id)
        if known is not None:
            return outcome_body(self._roster.me.host_id, transfer_id, known.outcome, known.reason)
        received: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receiving[transfer_id] = received
        try:
            return await self._receive(header, chunks)
        finally:
            del self._receiving[transfer_id]
            received.set_result(None)

    def _require_addressed(self, transfer_id: str, header: EnvelopeHeader) -> None:
        if header.transfer_id != transfer_id:
            raise InvalidRequestError(
                f"the envelope is of transfer {header.transfer_id}, the URL says {transfer_id}"
            )
        if header.target.host_id != self._roster.me.host_id:
            raise MisdirectedError(
                f"the envelope is for host {header.target.name} ({header.target.host_id}), this "
                f"is {self._roster.me.name} ({self._roster.me.host_id})",
                host_id=self._roster.me.host_id,
            )

    async def _while_receiving(self, transfer_id: str) -> None:
        """Wait while a copy of this offer is being received, or was started by another request."""
        while (receiving := self._receiving.get(transfer_id)) is not None:
            done, _ = await asyncio.wait([receiving], timeout=_RECEIVING_TIMEOUT)
            if not done:
                raise UnavailableError(
                    f"transfer {transfer_id} is still being received", retry_after=1.0
                )

    async def _receive(self, header: EnvelopeHeader, chunks: AsyncIterator[bytes]) -> OutcomeBody:
        await failpoint_async("arrival.before_checks")
        with ExitStack() as held:
            try:
                await self._judge(header)
                held.enter_context(self._roster.alone(header.manifest, header.agent_id))
            except PagletsError as error:
                if error.retryable:
                    raise
                refused = Whole(Blob.inline(b""), (), None, error)
                return await self._acceptance.decide(header, refused)
            return await self._take_in(header, chunks)

    async def _take_in(self, header: EnvelopeHeader, chunks: AsyncIterator[bytes]) -> OutcomeBody:
        state, files = await self._unpacker.receive(header, chunks)
        await failpoint_async("arrival.received")
        whole = await self._decode(header, state, files)
        try:
            await failpoint_async("arrival.before_accepted")
            return await self._acceptance.decide(header, whole)
        finally:
            if whole.link is not None and not whole.link.is_taken:
                await asyncio.shield(whole.link.end(grace=0))
            if self._roster.find(header.agent_id) is None:
                await self._unpacker.discard(header.agent_id, whole.state, whole.files)

    async def _judge(self, header: EnvelopeHeader) -> None:
        await self._admission.require(
            class_name=header.manifest.class_name,
            code_version=header.manifest.code_version,
            ticket=header.ticket,
            state_bytes=header.state_bytes,
            protocol=header.protocol,
        )
        files = sum(file.size for file in header.files)
        if files > self._limits.files_bytes:
            raise TooLargeError(
                f"registered files of {files} bytes are over {self._roster.me.name}'s limit of "
                f"{self._limits.files_bytes}"
            )
        present = self._roster.find(header.agent_id)
        if header.files and present is not None:
            # Here too: files are put into the work dir of this id before the decision.
            why = objection(present.row, header.birth_id, Epoch(*header.epoch))
            if why is not None:
                raise TransferError(
                    f"{self._roster.me.name} refused {header.agent_id}: {why}", reason=why
                )

    async def _decode(
        self, header: EnvelopeHeader, state: Blob, files: tuple[tuple[str, Blob], ...]
    ) -> Whole:
        """Decode the state in a child: only imports and constructors run before acceptance."""
        birth = Birth(
            agent_id=header.agent_id,
            class_name=header.manifest.class_name,
            epoch=header.epoch,
            state=state,
            written_by=header.manifest.code_version,
            is_fresh=True,
            check_only=is_inactive(header),
        )
        try:
            await self._unpacker.place(header.agent_id, files)
            link, _ = await self._starter.launch(birth)
        except PagletsError as error:
            if error.retryable:
                raise
            return Whole(state, files, None, error)
        if birth.check_only:
            await link.end(grace=1.0)
            return Whole(state, files, None)
        return Whole(state, files, link)

    async def outcome(self, transfer_id: str) -> OutcomeBody:
        """Return the outcome of a transfer; an unknown one is refused durably before that."""
        await self._while_receiving(transfer_id)
        record = self._store.transfer(transfer_id)
        nobody = PeerAddress("", "", "")
        decision = decide_query(record, transfer_id, nobody, now=time.time())
        if isinstance(decision, Answered):
            return outcome_body(
                self._roster.me.host_id, transfer_id, decision.outcome, decision.reason
            )
        try:
            await self._store.commit(*decision.writes, essential=True)
        except StaleWriteError:
            # An offer was decided while this was being written: its record answers.
            return await self.outcome(transfer_id)
        return outcome_body(self._roster.me.host_id, transfer_id, TransferOutcome.REFUSED, None)

    async def settled(self, transfer_id: str) -> None:
        """Note that the source has settled too: the record may be forgotten 24 h later."""
        record = self._store.transfer(transfer_id)
        if record is None or record.outcome is TransferOutcome.UNDECIDED:
            return
        if record.settled_at is None:
            await self._store.commit(
                SettleTransfer(transfer_id, record.outcome, time.time(), settled=True),
                patient=True,
            )


async def _nothing(_paglet: LocalPaglet, _transfer_id: str) -> None:
    """Nobody asked to be told."""
