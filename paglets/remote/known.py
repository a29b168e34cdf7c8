"""What a client knows of the host at one URL, and what a refusal teaches it.

A host refuses a signed request before it does anything when the clocks differ, when it was
started anew or when it is another host; its answer says what is right, signed. Then the request is
repeated, once for each of these. Pure: bytes and clocks are arguments. Used by `remote/session.py`.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from paglets.config.keys import Key, Keyring
from paglets.model.errors import (
    ClockSkewError,
    MisdirectedError,
    PagletsError,
    UnauthorizedError,
)
from paglets.remote.signing import (
    NOBODY,
    UNSIGNED,
    AnswerMark,
    Asked,
    Credentials,
    NonceSource,
    RequestLine,
    Target,
    request_mac,
)


class Lesson(Enum):
    """What a refusal taught; the request is repeated once for each."""

    CLOCK = auto()
    """How far the host's clock is off."""
    HOST = auto()
    """Who answers at the URL, and in which generation."""
    NONCE = auto()
    """The HTTP library repeated a request by itself, with a nonce that was used."""
    KEY = auto()
    """Which of our keys the host knows."""


@dataclass(slots=True)
class Attempt:
    """One attempt of a request: how it was signed, and how far it got."""

    key: Key | None = None
    nonce: str = ""
    asked: Asked = NOBODY
    connected: bool = False
    """Whether there was a connection, so that a host may have read something."""


@dataclass(frozen=True, slots=True)
class Signable:
    """What of a request is signed."""

    line: RequestLine
    digest: str
    authority: str
    """`host:port` of the URL."""
    host_id: str
    """The host that is meant, empty for whoever is there."""


@dataclass(slots=True)
class KnownHost:
    """The host at one URL, as last heard."""

    host_id: str = ""
    generation: int = 0
    offset: float = 0.0
    """Seconds to add to our clock to get the host's."""
    key: Key | None = None
    """The key it knows, where that is not our first."""
    nonces: NonceSource = field(default_factory=NonceSource)

    def sign(
        self,
        request: Signable,
        attempt: Attempt,
        *,
        keyring: Keyring | None,
        sender: str,
        now: float,
    ) -> str:
        """Return the Authorization header of a request, and note in `attempt` how it was made."""
        key = self.key or (keyring.primary if keyring is not None else None)
        same_host = request.host_id in {"", self.host_id}
        credentials = Credentials(
            key_id=UNSIGNED if key is None else key.id,
            time_ms=int((now + self.offset) * 1000),
            nonce=self.nonces.next(),
            digest=request.digest,
            target=Target(
                request.host_id or self.host_id,
                self.generation if same_host else 0,
                request.authority,
            ),
            sender=sender,
            mac=UNSIGNED,
        )
        attempt.key = key
        attempt.nonce = credentials.nonce
        attempt.asked = credentials.asked
        header = credentials.header()
        if key is None:
            return header
        return header[: -len(UNSIGNED)] + request_mac(key.secret, request.line, credentials)

    def heard(self, mark: AnswerMark) -> None:
        """Note who signed an answer."""
        self.host_id = mark.host_id
        self.generation = mark.generation

    def learn(
        self,
        error: PagletsError,
        attempt: Attempt,
        *,
        expected_id: str,
        keyring: Keyring | None,
        now: float,
    ) -> Lesson | None:
        """Take in why a request was refused; return what was learnt if it is worth repeating.

        Args:
            error: As answered. Errors of other hosts that are only passed on teach nothing: their
                `refused` is not the nonce of this attempt.
            attempt: What was refused.
            expected_id: The host that was meant, empty for whoever is there.
            keyring: All our keys.
            now: Our wall clock, seconds.
        """
        if error.detail.get("signed") is False:
            return self._learn_key(error, attempt, keyring)
        if error.detail.get("refused") != attempt.nonce:
            return None
        match error:
            case ClockSkewError():
                server_time = error.detail.get("server_time")
                if isinstance(server_time, int | float):
                    self.offset = server_time - now
                    return Lesson.CLOCK
            case MisdirectedError() if expected_id in {"", self.host_id}:
                return Lesson.HOST
            case UnauthorizedError():
                return Lesson.NONCE
            case _:
                pass
        return None

    def _learn_key(
        self, error: PagletsError, attempt: Attempt, keyring: Keyring | None
    ) -> Lesson | None:
        known = keyring.find(str(error.detail.get("key_id"))) if keyring is not None else None
        if known is None or known is attempt.key:
            return None
        self.key = known  # an unsigned hint, but it only chooses among our own keys
        return Lesson.KEY
