"""Carries the mesh's own exchanges (`mesh/`) over signed HTTP."""

from paglets.remote.session import Call, PeerSession
from paglets.remote.urls import parse_url

ANSWER_LIMIT_BYTES = 1024 * 1024
"""Largest answer of one exchange: a whole table of 1,000 hosts is about a third of it."""


class HttpMeshTransport:
    """Sends mesh messages; has a session of its own, so that calls never delay a probe.

    Args:
        session: Connections and keys.
    """

    def __init__(self, session: PeerSession) -> None:
        self._session = session

    async def request(self, peer_url: str, path: str, body: bytes, timeout: float) -> bytes:
        """POST `body` to `path` of the host at `peer_url`; return the body of its answer.

        Whoever answers there is taken, a new host under an old URL too: the mesh's messages name
        their host themselves.

        Args:
            peer_url: Base URL.
            path: `/mesh/join` or `/mesh/gossip`.
            body: What the mesh encoded.
            timeout: Seconds.

        Raises:
            PagletsError: What the host answered with, or HostUnreachableError.
            InvalidRequestError: `peer_url` is none that may be used.
        """
        call = Call(
            "POST",
            parse_url(peer_url),
            path,
            body,
            timeout=timeout,
            limit_bytes=ANSWER_LIMIT_BYTES,
            is_bare=True,
        )
        return (await self._session.request(call)).body

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
