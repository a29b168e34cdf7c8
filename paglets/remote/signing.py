"""What a signature covers, as text and HMAC-SHA256. Pure: time, nonces and keys are arguments.

    Authorization: Paglets 1 KEY TIME NONCE DIGEST TARGET SENDER MAC      on requests
    Paglets-Answer: 1 KEY HOST GENERATION DIGEST MAC                      on answers
    Paglets-Answer: 1 DIGEST MAC             … from the very host and start the request named

Digests and MACs are base64url without padding, MACs cut to 128 bits, the least that RFC 2104
allows, because an idle mesh exchanges little but these headers. A MAC covers what a short answer
leaves out.

The digest stands in the header, so a server decides before it reads a byte of the body, and a
forwarding host passes a streamed body on without holding it; whoever reads a body compares. The
digest of an envelope is that of its header, which names the digests of the rest. An answer that
does not end (SSE) has the digest `stream`: only status and nonce are signed.

Used by both sides: `remote/session.py` signs requests, `host/http/access.py` verifies them.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from paglets.model.errors import UnauthorizedError

SCHEME = "Paglets"
VERSION = "1"
ANSWER_HEADER = "Paglets-Answer"
BUDGET_HEADER = "Paglets-Budget"
"""Milliseconds the caller still waits; relative, so clocks do not matter."""
STREAM = "stream"
"""Digest of an answer that does not end."""
UNSIGNED = "-"
"""Stands for key id and MAC where hosts run with `--insecure`; target and nonce still count."""
WINDOW_SECONDS = 60.0
"""Largest difference between the time of a request and the clock of the host it reaches."""

MAC_BYTES = 16
"""Of the 32 of HMAC-SHA256: nobody guesses 128 bits within the window of a nonce."""

_AUTHORIZATION_FIELDS = 9
_ANSWER_FIELDS = 6
_SHORT_ANSWER_FIELDS = 3


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def body_digest(body: bytes) -> str:
    """Return the SHA-256 of a body as it stands in signatures."""
    return _text(hashlib.sha256(body).digest()) if body else EMPTY_DIGEST


EMPTY_DIGEST = _text(hashlib.sha256(b"").digest())


class Target(NamedTuple):
    """Whom a request is addressed to."""

    host_id: str = ""
    """Empty while it is unknown; then `authority` counts."""
    generation: int = 0
    """0 while unknown."""
    authority: str = ""
    """`host:port` as in the Host header."""

    def text(self) -> str:
        """Return it as it is signed."""
        if not self.host_id:
            return f"@{self.authority}"
        return f"{self.host_id}:{self.generation}"


def parse_target(text: str) -> Target:
    """Return the target written as `text`.

    Raises:
        UnauthorizedError: It is neither `@authority` nor `host:generation`.
    """
    if text.startswith("@"):
        return Target(authority=text[1:])
    host_id, _, generation = text.partition(":")
    if not host_id or not (generation.isascii() and generation.isdigit()):
        raise UnauthorizedError("the request's signature names no target")
    return Target(host_id, int(generation[:20]))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the Authorization header of a signed request says."""

    key_id: str
    time_ms: int
    """Sender's clock, plus what it knows of the difference to ours."""
    nonce: str
    """`session.counter`: unique, and cheap to remember."""
    digest: str
    target: Target
    sender: str
    """Host id of a host, else what kind of client it is."""
    mac: str

    @property
    def asked(self) -> "Asked":
        """What an answer need not repeat."""
        return Asked(self.key_id, self.target.host_id, self.target.generation)

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return (
            f"{SCHEME} {VERSION} {self.key_id} {self.time_ms} {self.nonce} {self.digest}"
            f" {self.target.text()} {self.sender} {self.mac}"
        )


def parse_credentials(header: str) -> Credentials:
    """Return what an Authorization header of our scheme says; nothing is verified yet.

    Raises:
        UnauthorizedError: It has another shape or version.
    """
    fields = header.split(" ")
    if len(fields) != _AUTHORIZATION_FIELDS or fields[0] != SCHEME or fields[1] != VERSION:
        raise UnauthorizedError(f"Authorization is not of the form `{SCHEME} {VERSION} …`")
    _, _, key_id, time_ms, nonce, digest, target, sender, mac = fields
    if not (time_ms.isascii() and time_ms.isdigit() and len(time_ms) <= 16):
        raise UnauthorizedError("the request's signature has no time")
    return Credentials(key_id, int(time_ms), nonce, digest, parse_target(target), sender, mac)


class RequestLine(NamedTuple):
    """What of a request is signed beside the header's own fields."""

    method: str
    path: str
    """With the query, exactly as sent."""


def request_mac(secret: bytes, line: RequestLine, credentials: Credentials) -> str:
    """Return the MAC that belongs to a request; `credentials.mac` is ignored."""
    text = (
        f"paglets request 1\n{line.method}\n{line.path}\n{credentials.digest}\n"
        f"{credentials.target.text()}\n{credentials.time_ms}\n{credentials.nonce}\n"
        f"{credentials.sender}"
    )
    return _mac(secret, text)


def _mac(secret: bytes, text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return _text(hmac.digest(secret, data, "sha256")[:MAC_BYTES])


class Asked(NamedTuple):
    """Which key, host and start a request named; a short answer is from these."""

    key_id: str
    host_id: str
    generation: int


NOBODY = Asked("", "", 0)


class AnswerMark(NamedTuple):
    """What the answer header says, or leaves as the request named it."""

    key_id: str
    host_id: str
    generation: int
    digest: str
    mac: str

    def header(self, asked: Asked) -> str:
        """Return the value of the answer header, short where the asker named who answers."""
        if self[:3] == asked:
            return f"{VERSION} {self.digest} {self.mac}"
        return " ".join((VERSION, self.key_id, self.host_id, str(self.generation), *self[3:]))


def parse_answer(header: str, asked: Asked) -> AnswerMark | None:
    """Return what an answer header says, None where it has another shape.

    Args:
        header: Its value.
        asked: What the request named.
    """
    fields = header.split(" ")
    if fields[0] != VERSION:
        return None
    if len(fields) == _SHORT_ANSWER_FIELDS:
        return AnswerMark(*asked, *fields[1:])
    if len(fields) != _ANSWER_FIELDS or not (fields[3].isascii() and fields[3].isdigit()):
        return None
    return AnswerMark(fields[1], fields[2], int(fields[3]), fields[4], fields[5])


def answer_mac(secret: bytes, mark: AnswerMark, *, status: int, nonce: str) -> str:
    """Return the MAC of an answer to the request with `nonce`; `mark.mac` is ignored."""
    text = f"paglets answer 1\n{nonce}\n{status}\n{mark.digest}\n{mark.host_id}\n{mark.generation}"
    return _mac(secret, text)


def same(left: str, right: str) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(
        left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    )


class NonceSource:
    """Nonces for one peer: a random session and a counter, so that a server remembers little."""

    def __init__(self) -> None:
        self._session = secrets.token_urlsafe(8)
        self._count = 0

    def next(self) -> str:
        """Return a nonce that was never returned before."""
        self._count += 1
        return f"{self._session}.{self._count}"


class NonceMemory:
    """Which nonces were used, bounded in time and size. One a host; not thread-safe.

    A session's counters may arrive out of order by `reorder` at most; older ones count as used. A
    session is forgotten when everything it may have signed is outside the time window.

    Args:
        reorder: Counters of a session that may be missing below its highest.
        sessions: Largest number of sessions remembered at once.
        lifetime: Seconds a session is remembered after its last use.
    """

    def __init__(
        self,
        *,
        reorder: int = 4096,
        sessions: int = 65_536,
        lifetime: float = 2 * WINDOW_SECONDS,
    ) -> None:
        self._reorder = reorder
        self._limit = sessions
        self._lifetime = lifetime
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def admit(self, nonce: str, now: float) -> bool:
        """Remember `nonce`; return False if it was used before, is malformed or memory is full.

        Args:
            nonce: Of a request whose MAC has been verified: strangers leave nothing here.
            now: Monotonic seconds.
        """
        name, _, text = nonce.partition(".")
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and len(name) <= 64):
            return False
        session = self._sessions.pop(name, None)
        if session is None:
            self._forget(now)
            if len(self._sessions) >= self._limit:
                return False
            session = _Session()
        session.used_at = now
        self._sessions[name] = session  # last in order: the first is the longest idle
        return session.admit(int(text), self._reorder)

    def _forget(self, now: float) -> None:
        while self._sessions:
            name = next(iter(self._sessions))
            if now - self._sessions[name].used_at <= self._lifetime:
                return
            del self._sessions[name]


class _Session:
    """Counters seen of one session: all up to `floor`, and some above."""

    __slots__ = ("floor", "seen", "used_at")

    def __init__(self) -> None:
        self.floor = 0
        self.seen: set[int] = set()
        self.used_at = 0.0

    def admit(self, count: int, reorder: int) -> bool:
        if count <= self.floor or count in self.seen:
            return False
        self.seen.add(count)
        while self.floor + 1 in self.seen:
            self.floor += 1
            self.seen.remove(self.floor)
        if len(self.seen) > reorder:
            self.floor = min(self.seen)
            self.seen.remove(self.floor)
        return True
