"""One host's address and the routes of `wire/routes.py` as calls; what typed clients are made of.

Used by `remote/client.py` and `remote/transfers.py`.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from paglets.model.names import new_id
from paglets.remote.answers import Answer, unreachable
from paglets.remote.session import ANSWER_LIMIT_BYTES, Call, OpenAnswer, PeerSession, StreamBody
from paglets.remote.urls import parse_url
from paglets.wire.routes import route

B = TypeVar("B", bound=msgspec.Struct)
Query = Mapping[str, str]
"""Query parameters, as the route lists them."""

_encoder = msgspec.json.Encoder()


class Endpoint:
    """A host as a base URL. Cheap to make; the session behind it is shared.

    Args:
        session: Connections and keys.
        url: Base URL of the host.
        host_id: The host that is meant; empty takes whoever answers there.
        via: Name of a host to which the one at `url` forwards every call, one hop.
        name: Of the host at `url`, where it is known; errors tell it.
    """

    def __init__(
        self,
        session: PeerSession,
        url: str,
        *,
        host_id: str = "",
        via: str | None = None,
        name: str = "",
    ) -> None:
        self.url = parse_url(url)
        self._session = session
        self._host_id = host_id
        self._name = name
        self._prefix = "" if via is None else f"/hosts/{quote(via, safe='')}"

    def on_host(self, name: str) -> "Endpoint":
        """Return the host called `name`, reached through this one."""
        return Endpoint(self._session, self.url, host_id=self._host_id, via=name, name=self._name)

    def call(
        self,
        name: str,
        *ids: str,
        query: Query | None = None,
        body: bytes | msgspec.Struct | StreamBody = b"",
        key: str | None = None,
        timeout: float,
    ) -> Call:
        """Return the call of the route called `name`.

        Args:
            name: As in the table.
            ids: Values of the path's parameters, in order.
            query: Query parameters.
            body: A body that is encoded, or to be.
            key: Idempotency key; made up where the route takes one and none is given.
            timeout: Seconds.
        """
        entry = route(name)
        path = entry.path
        for value in ids:
            start, _, rest = path.partition("{")
            path = start + quote(value, safe="") + rest.partition("}")[2]
        if query:
            path = f"{path}?{urlencode(query)}"
        keyed = any(parameter == "Idempotency-Key" for parameter, _ in entry.query)
        return Call(
            entry.method,
            self.url,
            self._prefix + path,
            _encoder.encode(body) if isinstance(body, msgspec.Struct) else body,
            {"Idempotency-Key": key or new_id()} if keyed else {},
            timeout=timeout,
            host_id=self._host_id,
            host_name=self._name,
        )

    async def send(self, call: Call) -> Answer:
        """Send a call; as `PeerSession.request`."""
        return await self._session.request(call)

    async def get(self, call: Call, body_type: type[B]) -> B:
        """Send a call and decode its answer.

        Raises:
            PagletsError: As `PeerSession.request`.
            HostUnreachableError: What was answered is no `body_type`.
        """
        return decode_answer(await self._session.request(call), body_type)

    def open(self, call: Call) -> AbstractAsyncContextManager[OpenAnswer]:
        """Send a call whose answer is read while it arrives."""
        return self._session.open(call)

    async def raw(
        self, method: str, path: str, body: bytes = b"", *, timeout: float = 30.0
    ) -> bytes:
        """Send any request and return the body of its answer; for what has no typed call.

        Args:
            method: HTTP method.
            path: Path and query, percent-encoded.
            body: JSON.
            timeout: Seconds.
        """
        call = Call(method, self.url, self._prefix + path, body, timeout=timeout)
        return (await self._session.request(replace(call, host_id=self._host_id))).body


def decode_answer(answer: Answer, body_type: type[B]) -> B:
    """Return the body of an answer as `body_type`.

    Raises:
        HostUnreachableError: It is none; who answers so is no host we can talk to.
    """
    try:
        return msgspec.json.decode(answer.body, type=body_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreachable(
            f"host {answer.host_id}", f"an answer that is none: {error}", connected=True
        ) from error


def limited(call: Call, limit_bytes: int = ANSWER_LIMIT_BYTES) -> Call:
    """Return `call` with another limit for its answer."""
    return replace(call, limit_bytes=limit_bytes)
