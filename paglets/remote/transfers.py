"""The calls of a move, from its source to its target. What they mean: `DESIGN` §6.

Their errors never settle anything; only an `OutcomeBody` of the target does.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from paglets.failpoints import failpoint_async
from paglets.model.errors import UnavailableError
from paglets.remote.endpoint import Endpoint
from paglets.remote.envelopes import EnvelopePayload, envelope_size
from paglets.remote.session import Call, StreamBody
from paglets.remote.signing import body_digest
from paglets.wire.bodies import CheckAnswer, CheckBody, FenceAnswer, FenceBody, OutcomeBody

B = TypeVar("B", bound=msgspec.Struct)

_SLOT_PAUSE = (0.02, 0.1)
"""Seconds to wait for a slot, drawn between these; an arrival takes about as long."""
_LEAST_ATTEMPT = 1.0
"""Seconds below which no further attempt is made: cut short, it would leave a move in doubt."""


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
        return await self._patiently(call, CheckAnswer)

    async def offer(
        self, transfer_id: str, header: bytes, parts: Sequence[bytes | Path], *, timeout: float
    ) -> OutcomeBody:
        """Send an envelope, file parts in chunks; idempotent by `transfer_id`.

        Raises:
            OSError: A part is not there; nothing has been sent.
        """
        size = await envelope_size(header, parts)
        body = StreamBody(EnvelopePayload(header, parts, size), body_digest(header))
        await failpoint_async("offer.before_send")
        call = self._endpoint.call("offer_transfer", transfer_id, body=body, timeout=timeout)
        return await self._patiently(call, OutcomeBody)

    async def outcome(self, transfer_id: str, *, timeout: float) -> OutcomeBody:
        """Return the outcome of a transfer; an unknown one is refused durably first."""
        call = self._endpoint.call("transfer_outcome", transfer_id, timeout=timeout)
        return await self._patiently(call, OutcomeBody)

    async def settled(self, transfer_id: str, *, timeout: float) -> None:
        """Tell the target of a transfer that the source has settled too."""
        call = self._endpoint.call("settle_transfer", transfer_id, body=b"{}", timeout=timeout)
        await self._endpoint.send(call)

    async def fence(self, body: FenceBody, *, timeout: float) -> FenceAnswer:
        """Compare epochs of paglets that both hosts know."""
        call = self._endpoint.call("fence", body=body, timeout=timeout)
        return await self._patiently(call, FenceAnswer)

    async def _patiently(self, call: Call, body_type: type[B]) -> B:
        """Send a call, again and again while the host has no slot for it and there is time left.

        Such a refusal comes before anything of the request is read. Many clones at once to one
        host would else end in doubt, one by one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + call.timeout
        while True:
            try:
                return await self._endpoint.get(call, body_type)
            except UnavailableError as error:
                pause = random.uniform(*_SLOT_PAUSE)  # noqa: S311 - jitter, no secret
                left = deadline - loop.time() - pause
                if "slots" not in error.detail or left < _LEAST_ATTEMPT:
                    raise
            await asyncio.sleep(pause)
            call = replace(call, timeout=left)
