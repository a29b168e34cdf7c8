"""Who may ask: signatures and tokens of requests, signatures of answers, Host and Origin.

A request is identified first (is the MAC right?), and only then admitted (is it for us, is it now,
is it the first of its nonce?), because a refusal to somebody with the key is signed: it teaches the
caller our clock and generation. Pure but for the clocks it is given.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from paglets.config.keys import Key, Keyring
from paglets.model.errors import (
    ClockSkewError,
    ForbiddenError,
    MisdirectedError,
    PagletsError,
    UnauthorizedError,
)
from paglets.remote.signing import (
    SCHEME,
    UNSIGNED,
    WINDOW_SECONDS,
    AnswerMark,
    Credentials,
    NonceMemory,
    RequestLine,
    answer_mac,
    parse_credentials,
    request_mac,
    same,
)
from paglets.remote.urls import host_of_header, is_address

_VERDICTS_LIMIT = 256
_AHEAD_SECONDS = 0.25
"""How far a first request's clock may be ahead: no host restarts faster than that."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who this server is, in signatures and by name."""

    host_id: str
    generation: int
    name: str
    url: str
    """Advertised base URL."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names that a Host header may have."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of browsers that may call; none by default."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it is proven."""

    sender: str = ""
    """Host id of a host, else what kind of client it says it is."""
    key: Key | None = None
    credentials: Credentials | None = None
    """None for a bearer token, and where nothing was presented."""


ANONYMOUS = Caller()


class Access:
    """Decides on requests and signs answers. One a server.

    Args:
        identity: Whom requests are addressed to.
        keyring: None means `--insecure`: everybody may ask, addresses are still checked.
        clock: Wall-clock seconds.
        monotonic: Monotonic seconds.
    """

    def __init__(
        self,
        identity: ServerIdentity,
        keyring: Keyring | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._keyring = keyring
        self._clock = clock
        self._monotonic = monotonic
        self._started_ms = int(clock() * 1000)
        self._nonces = NonceMemory()
        self._tokens = [] if keyring is None else [(k.bearer_token(), k) for k in keyring.keys]
        self._names = _Names(identity)

    @property
    def key_id(self) -> str | None:
        """Id of the key that signs, None with `--insecure`."""
        return None if self._keyring is None else self._keyring.primary.id

    def check_browser(self, host: str | None, origin: str | None) -> None:
        """Refuse what browsers send when a foreign page makes them call us.

        Raises:
            MisdirectedError: The Host header is no name or address of ours (DNS rebinding).
            ForbiddenError: There is an Origin that is not configured.
        """
        if origin is not None and origin not in self._identity.allowed_origins:
            raise ForbiddenError("requests of web pages are refused: Origin is not allowed here")
        if not self._names.allows(host or ""):
            raise MisdirectedError(
                f"Host {(host or '')[:80]!r} is no name of this host; see --allowed-host"
            )

    def identify(self, line: RequestLine, authorization: str | None) -> Caller:
        """Return who asks, with the MAC or token verified; nothing is remembered.

        Raises:
            UnauthorizedError: Neither a signature nor a token of one of our keys.
        """
        scheme = "" if authorization is None else authorization.partition(" ")[0]
        if authorization is not None and scheme == SCHEME:
            return self._identify_signed(line, parse_credentials(authorization))
        if self._keyring is None:
            return ANONYMOUS
        if authorization is not None and scheme.lower() == "bearer":
            token = authorization.partition(" ")[2].strip()
            matches = [key for expected, key in self._tokens if same(expected, token)]
            if matches:
                return Caller("bearer", matches[0])
        raise self._unauthorized("no credentials" if authorization is None else "wrong credentials")

    def admit(self, caller: Caller, host: str | None) -> None:
        """Let an identified caller through, once.

        Raises:
            MisdirectedError: Addressed to another host, or to an earlier start of this one.
            ClockSkewError: Made outside the window, or before we started where that could hide a
                repeat; carries our clock.
            UnauthorizedError: Its nonce was used; `reason` is `replayed`.
        """
        credentials = caller.credentials
        if credentials is None:
            return
        self._check_target(credentials, host)
        now = self._clock()
        skew = now - credentials.time_ms / 1000
        if abs(skew) > WINDOW_SECONDS or self._may_be_older_than_us(credentials, skew):
            raise ClockSkewError(
                f"signed {skew:+.0f} s from the clock of {self._identity.name}",
                server_time=now,
                refused=credentials.nonce,
            )
        if not self._nonces.admit(credentials.nonce, self._monotonic()):
            raise UnauthorizedError(
                "this request was made before", reason="replayed", refused=credentials.nonce
            )

    def sign(self, caller: Caller, *, status: int, digest: str) -> str | None:
        """Return the answer header for `caller`, None for who presented no signature."""
        credentials = caller.credentials
        if credentials is None:
            return None
        identity = self._identity
        key = caller.key
        mark = AnswerMark(
            UNSIGNED if key is None else key.id,
            identity.host_id,
            identity.generation,
            digest,
            UNSIGNED,
        )
        if key is not None:
            mac = answer_mac(key.secret, mark, status=status, nonce=credentials.nonce)
            mark = mark._replace(mac=mac)
        return mark.header(credentials.asked)

    def _may_be_older_than_us(self, credentials: Credentials, skew: float) -> bool:
        """Return whether an earlier process of this host may have seen this very request.

        A request to a generation cannot be; another one must be younger than this process, by a
        clock that is not ahead by more than a start takes.
        """
        if credentials.target.generation:
            return False
        return credentials.time_ms < self._started_ms or skew < -_AHEAD_SECONDS

    def _identify_signed(self, line: RequestLine, credentials: Credentials) -> Caller:
        if self._keyring is None:
            return Caller(credentials.sender, None, credentials)
        key = self._keyring.find(credentials.key_id)
        if key is None:
            raise self._unauthorized(f"signed with the unknown key {credentials.key_id[:16]!r}")
        if not same(request_mac(key.secret, line, credentials), credentials.mac):
            raise self._unauthorized("the signature does not fit the request")
        return Caller(credentials.sender, key, credentials)

    def _check_target(self, credentials: Credentials, host: str | None) -> None:
        target = credentials.target
        identity = self._identity
        if not target.host_id:
            if target.authority == host:
                return
            reason = f"signed for {target.authority[:80]!r}"
        elif target.host_id != identity.host_id:
            reason = f"meant for host {target.host_id[:64]}"
        elif target.generation in {0, identity.generation}:
            return
        else:
            reason = f"meant for another start of {identity.name}"
        raise MisdirectedError(
            f"{reason}; here is {identity.name} ({identity.host_id})",
            host_id=identity.host_id,
            generation=identity.generation,
            refused=credentials.nonce,
        )

    def _unauthorized(self, reason: str) -> PagletsError:
        return UnauthorizedError(
            f"{reason}; host {self._identity.name} uses key {self.key_id}",
            key_id=self.key_id,
            reason=reason,
        )


@dataclass(slots=True)
class _Names:
    """The names that a Host header may have; ports are not compared."""

    identity: ServerIdentity
    verdicts: dict[str, bool] = field(default_factory=dict)
    """Headers seen: parsing each costs more than the signature."""

    def allows(self, header: str) -> bool:
        verdict = self.verdicts.get(header)
        if verdict is None:
            verdict = self._decide(header)
            if len(self.verdicts) < _VERDICTS_LIMIT:
                self.verdicts[header] = verdict
        return verdict

    def _decide(self, header: str) -> bool:
        host = host_of_header(header)
        if not host:
            return False
        identity = self.identity
        advertised = urlsplit(identity.url).hostname
        names = {"localhost", identity.name.lower(), *map(str.lower, identity.allowed_hosts)}
        return is_address(host) or host == advertised or host.rstrip(".") in names
