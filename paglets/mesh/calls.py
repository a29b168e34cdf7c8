"""Requests of this host to others, each in a task with a deadline, and the resolving of seeds.

Part of the driver `gossip.py`. A peer that accepts and never answers holds one such task until its
deadline and nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol as Interface

from paglets.mesh.instructions import JOIN_PATH, Instruction, Send
from paglets.mesh.messages import Frame, decode_frame, encode_frame
from paglets.mesh.protocol import Protocol
from paglets.model.errors import PagletsError

log = logging.getLogger(__name__)

CALL_LIMIT = 128
"""Requests under way at once; further ones fail at once, and are made up for by later news."""


class MeshTransport(Interface):
    """How requests reach other hosts; the real one signs them."""

    async def request(self, peer_url: str, path: str, body: bytes, timeout: float) -> bytes:
        """POST `body` to `peer_url + path` and return the answer's body.

        Raises:
            PagletsError: No answer within `timeout` seconds, or one that is an error.
        """
        ...


Resolver = Callable[[str], Awaitable[tuple[str, ...]]]


class Calls:
    """The tasks of one mesh; what comes of them goes to the engine, what that says to `run`."""

    def __init__(
        self,
        protocol: Protocol,
        transport: MeshTransport,
        resolve: Resolver,
        clock: Callable[[], float],
        run: Callable[[list[Instruction]], None],
    ) -> None:
        self.seed_errors: dict[str, str] = {}
        """Why a seed's address could not be joined, by URL; the last word of each."""
        self.tasks: set[asyncio.Task[None]] = set()
        """What is under way."""
        self._protocol = protocol
        self._transport = transport
        self._resolver = resolve
        self._clock = clock
        self._run = run

    def send(self, send: Send) -> None:
        """Begin a request."""
        if len(self.tasks) >= CALL_LIMIT:
            self._spawn(self._refuse(send), "mesh call")
        else:
            self._spawn(self._call(send), "mesh call")

    def resolve(self, seed: str) -> None:
        """Begin to find a seed's addresses."""
        self._spawn(self._resolve(seed), "mesh seed")

    def _spawn(self, work: Coroutine[object, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _refuse(self, send: Send) -> None:
        self._end(send, None, "too many mesh calls at once")

    async def _call(self, send: Send) -> None:
        frame, reason = None, ""
        try:
            frame = await self._exchange(send)
        except TimeoutError:
            reason = f"no answer within {send.timeout:g} s"
        except (PagletsError, OSError) as error:
            reason = str(error) or type(error).__name__
        except Exception as error:
            log.exception("mesh call failed url=%s", send.url)
            reason = f"internal error: {error}"
        self._end(send, frame, reason)

    async def _exchange(self, send: Send) -> Frame:
        statistics = self._protocol.statistics
        body = encode_frame(send.frame)
        statistics.bytes_sent += len(body)
        async with asyncio.timeout(send.timeout):
            data = await self._transport.request(send.url, send.path, body, send.timeout)
        statistics.bytes_received += len(data)
        return decode_frame(data)

    def _end(self, send: Send, frame: Frame | None, reason: str) -> None:
        if send.path == JOIN_PATH:
            self._note_seed(send.url, reason)
        now = self._clock()
        if frame is None:
            self._run(self._protocol.failed(send.call, reason, now))
        else:
            self._run(self._protocol.answered(send.call, frame, now))

    async def _resolve(self, seed: str) -> None:
        try:
            urls = await self._resolver(seed)
        except (PagletsError, OSError) as error:
            self._note_seed(seed, str(error))
            return
        self.seed_errors.pop(seed, None)
        self._run(self._protocol.resolved(urls, self._clock()))

    def _note_seed(self, url: str, reason: str) -> None:
        """Log why a seed cannot be joined, once for each reason."""
        if not reason:
            self.seed_errors.pop(url, None)
        elif self.seed_errors.get(url) != reason:
            self.seed_errors[url] = reason
            log.warning("seed not joined yet url=%s: %s", url, reason)
