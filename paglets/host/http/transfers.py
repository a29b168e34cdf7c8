"""`/transfers`: the target's side of moves, and transfers as people see them."""

from collections.abc import AsyncIterator

from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest, json_answer
from paglets.host.http.fanout import FanOut
from paglets.host.http.ports import Arrivals, Fencing, Transfers
from paglets.host.http.routing import Handler
from paglets.model.enums import TransferRole
from paglets.model.errors import InvalidRequestError
from paglets.remote.signing import body_digest, same
from paglets.wire.bodies import (
    CheckBody,
    EmptyBody,
    FenceBody,
    ResolveBody,
    TransferInfo,
    TransferList,
)
from paglets.wire.envelope import (
    PREFIX_BYTES,
    EnvelopeHeader,
    decode_header,
    header_length,
)

ACTIONS = ("resume", "drop")


class TransferRoutes:
    """Hands offers, questions and settlements to the runtime.

    Args:
        arrivals: The target's side.
        fencing: Compares epochs.
        transfers: What people see and settle.
        fan_out: Asks the other hosts for `scope=mesh`.
    """

    def __init__(
        self, arrivals: Arrivals, fencing: Fencing, transfers: Transfers, fan_out: FanOut
    ) -> None:
        self._arrivals = arrivals
        self._fencing = fencing
        self._transfers = transfers
        self._fan_out = fan_out

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {
            "check_transfer": self.check,
            "offer_transfer": self.offer,
            "transfer_outcome": self.outcome,
            "settle_transfer": self.settle,
            "fence": self.fence,
            "list_transfers": self.list,
            "resolve_transfer": self.resolve,
        }

    async def check(self, asked: ApiRequest) -> Answer:
        """Say whether this host would take a paglet."""
        return json_answer(await self._arrivals.check(asked.decode(CheckBody)))

    async def offer(self, asked: ApiRequest) -> Answer:
        """Take an envelope. Its header is held in memory, what follows is passed on in pieces."""
        transfer_id = asked.id("transfer_id")
        if asked.chunks is None:
            raise InvalidRequestError("an offer needs an envelope")
        source = _Pieces(asked.chunks)
        encoded = await source.take(PREFIX_BYTES)
        encoded += await source.take(header_length(encoded))
        if asked.digest is not None and not same(body_digest(encoded), asked.digest):
            raise InvalidRequestError("the envelope's header is not the one that was signed")
        header = decode_header(encoded[PREFIX_BYTES:])
        _check_offer(transfer_id, header, asked.content_length, len(encoded))
        outcome = await self._arrivals.offer(transfer_id, header, encoded, source.rest())
        return json_answer(outcome)

    async def outcome(self, asked: ApiRequest) -> Answer:
        """Return the outcome; an unknown transfer is refused durably first."""
        return json_answer(await self._arrivals.outcome(asked.id("transfer_id")))

    async def settle(self, asked: ApiRequest) -> Answer:
        """Note that the source has settled too."""
        asked.decode(EmptyBody)
        await self._arrivals.settled(asked.id("transfer_id"))
        return ApiAnswer(204)

    async def fence(self, asked: ApiRequest) -> Answer:
        """Compare epochs with another host."""
        return json_answer(await self._fencing.fence(asked.decode(FenceBody)))

    async def list(self, asked: ApiRequest) -> Answer:
        """List transfers of this host, or of all."""
        query = asked.query()
        limit = query.limit()
        own = await self._transfers.list(
            in_doubt=query.flag("in_doubt") or False,
            role=query.choice("role", *TransferRole),
            after=query.text("after"),
            limit=limit,
        )
        if not query.mesh():
            return json_answer(own)
        others = await self._fan_out.ask(
            asked, lambda client, timeout: client.transfers(
                {**query.values, "scope": "local"}, timeout=timeout
            ),
        )  # fmt: skip
        return json_answer(merge_transfers([own, *others.answers], limit, others.unreachable))

    async def resolve(self, asked: ApiRequest) -> Answer:
        """Settle a transfer by an operator's word."""
        action = asked.decode(ResolveBody).action
        if action not in ACTIONS:
            raise InvalidRequestError(f"action is {action[:40]!r}; it is resume or drop")
        return json_answer(await self._transfers.resolve(asked.id("transfer_id"), action))


def merge_transfers(
    pages: list[TransferList], limit: int, unreachable: tuple[str, ...]
) -> TransferList:
    """Return one page of several hosts' pages, ordered by id; both sides of one stay together."""
    entries: list[TransferInfo] = sorted(
        (info for page in pages for info in page.transfers),
        key=lambda info: (info.transfer_id, info.role),
    )
    ends = [page.next for page in pages if page.next is not None]
    complete = [info for info in entries if not ends or info.transfer_id <= min(ends)]
    page = complete[:limit]
    rest = complete[limit:]
    while page and rest and rest[0].transfer_id == page[-1].transfer_id:
        page.append(rest.pop(0))
    more = bool(page) and (len(page) < len(entries) or bool(ends))
    return TransferList(
        transfers=tuple(page),
        next=page[-1].transfer_id if more else None,
        unreachable=unreachable,
    )


def _check_offer(
    transfer_id: str, header: EnvelopeHeader, content_length: int | None, header_bytes: int
) -> None:
    if header.transfer_id != transfer_id:
        raise InvalidRequestError(f"the envelope is of transfer {header.transfer_id[:64]!r}")
    sizes = [header.state_bytes, *(file.size for file in header.files)]
    if min(sizes) < 0:
        raise InvalidRequestError("the envelope's header has a negative size")
    if content_length is None or content_length != header_bytes + header.body_bytes:
        raise InvalidRequestError("the envelope is not as long as its header says")


class _Pieces:
    """Takes exact lengths from chunks of any length."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()

    async def take(self, length: int) -> bytes:
        """Return the next `length` bytes.

        Raises:
            InvalidRequestError: There are fewer.
        """
        while len(self._buffer) < length:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                raise InvalidRequestError("the envelope is cut short")
            self._buffer += chunk
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield what has not been taken."""
        if self._buffer:
            buffered = bytes(self._buffer)
            self._buffer.clear()
            yield buffered
        async for chunk in self._chunks:
            yield chunk
