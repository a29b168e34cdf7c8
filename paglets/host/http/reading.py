"""Reading request bodies: how large, how slow, how many bytes at once.

A body is never read before its sender has proven a key, and its digest is compared with the signed
one. aiohttp itself gives a body any time it wants; here it has its grace and a lowest rate.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from paglets.host.http.limits import HttpLimits
from paglets.model.errors import DeadlineError, InvalidRequestError, TooLargeError
from paglets.remote.signing import body_digest, same

_CHUNK_BYTES = 256 * 1024


class BodyReader:
    """Reads bodies within the limits of one server.

    Args:
        limits: Sizes and rates.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits

    def check_size(self, request: web.BaseRequest, limit: int) -> int | None:
        """Return the announced length, None for a chunked body.

        Raises:
            TooLargeError: It is over `limit`; said before a byte of it is read.
            InvalidRequestError: The body is compressed, which no route needs.
        """
        encoding = request.headers.get("Content-Encoding")
        if encoding is not None and encoding.lower() != "identity":
            raise InvalidRequestError("compressed bodies are not taken")
        length = request.content_length
        if length is not None and length > limit:
            raise TooLargeError(f"the body of {length} bytes is over the limit of {limit}")
        return length

    async def whole(self, request: web.BaseRequest, limit: int, digest: str | None) -> bytes:
        """Return the whole body, compared with its signed digest.

        Raises:
            TooLargeError: It is over `limit`.
            DeadlineError: It came too slowly.
            InvalidRequestError: It ended early, or is not the one that was signed.
        """
        content = request.content
        if content.is_eof() and content.total_bytes <= limit:
            body = content.read_nowait()  # the usual case: it came with the headers
        else:
            body = b"".join([chunk async for chunk in self.chunks(request, limit)])
        if digest is not None and not same(digest, body_digest(body)):
            raise InvalidRequestError("the body is not the one that was signed")
        return body

    async def chunks(self, request: web.BaseRequest, limit: int) -> AsyncIterator[bytes]:
        """Yield the body while it arrives; only the time spent waiting for it counts.

        Raises:
            TooLargeError: It is over `limit`.
            DeadlineError: It comes too slowly.
            InvalidRequestError: It ended early.
        """
        loop = asyncio.get_running_loop()
        waited = 0.0
        received = 0
        while True:
            allowed = self._limits.body_grace + received / self._limits.body_rate - waited
            began = loop.time()
            try:
                async with asyncio.timeout(allowed):
                    chunk = await request.content.read(_CHUNK_BYTES)
            except TimeoutError:
                raise DeadlineError(
                    f"the body came too slowly: {received} bytes in {waited + allowed:.1f} s"
                ) from None
            except (RequestPayloadError, ConnectionError, web.RequestPayloadError) as error:
                raise InvalidRequestError(f"the body was cut short: {error}") from error
            if not chunk:
                return
            waited += loop.time() - began
            received += len(chunk)
            if received > limit:
                raise TooLargeError(f"the body is over the limit of {limit} bytes")
            yield chunk
