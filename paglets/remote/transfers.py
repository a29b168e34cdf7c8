"""The calls of a move, from its source to its target. What they mean: `DESIGN` §6.

Their errors never settle anything; only an `OutcomeBody` of the target does.
"""

from collections.abc import Sequence
from pathlib import Path

from paglets.failpoints import failpoint_async
from paglets.remote.endpoint import Endpoint
from paglets.remote.envelopes import EnvelopePayload, envelope_size
from paglets.remote.session import StreamBody
from paglets.wire.bodies import CheckAnswer, CheckBody, FenceAnswer, FenceBody, OutcomeBody
from paglets.wire.envelope import header_digest


class TransferClient:
    """Calls about transfers to one host; each raises what `PeerSession.request` does.

    Args:
        endpoint: The target of the transfers.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def check(self, body: CheckBody, *, timeout: float) -> CheckAnswer:
        """Ask whether the host would take a paglet."""
        call = self._endpoint.call("check_transfer", body=body, timeout=timeout)
        return await self._endpoint.get(call, CheckAnswer)

    async def offer(
        self, transfer_id: str, header: bytes, parts: Sequence[bytes | Path], *, timeout: float
    ) -> OutcomeBody:
        """Send an envelope, file parts in chunks; idempotent by `transfer_id`.

        Raises:
            OSError: A part is not there; nothing has been sent.
        """
        size = await envelope_size(header, parts)
        body = StreamBody(EnvelopePayload(header, parts, size), header_digest(header))
        await failpoint_async("offer.before_send")
        call = self._endpoint.call("offer_transfer", transfer_id, body=body, timeout=timeout)
        return await self._endpoint.get(call, OutcomeBody)

    async def outcome(self, transfer_id: str, *, timeout: float) -> OutcomeBody:
        """Return the outcome of a transfer; an unknown one is refused durably first."""
        call = self._endpoint.call("transfer_outcome", transfer_id, timeout=timeout)
        return await self._endpoint.get(call, OutcomeBody)

    async def settled(self, transfer_id: str, *, timeout: float) -> None:
        """Tell the target of a transfer that the source has settled too."""
        call = self._endpoint.call("settle_transfer", transfer_id, body=b"{}", timeout=timeout)
        await self._endpoint.send(call)

    async def fence(self, body: FenceBody, *, timeout: float) -> FenceAnswer:
        """Compare epochs of paglets that both hosts know."""
        call = self._endpoint.call("fence", body=body, timeout=timeout)
        return await self._endpoint.get(call, FenceAnswer)
