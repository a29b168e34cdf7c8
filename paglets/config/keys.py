"""Keys: who belongs to a mesh. A file, its text form, and where hosts and clients look.

A host that finds no key makes one, so that nobody is admitted by default and two hosts of one
user on one machine still share a key: the user's `keys/default.key`. Requests are signed with a
key (`remote/signing.py`); the key itself never travels, except by a person's `export | import`.

    <home>/keys/default.key    the user's own key, made by the first host or by an import
    <home>/keys/<id>.key       every key this user has, by id, for clients
    <data>/host.key            the key of one host, two lines while keys are being rotated

Not here: settings and their variables (`config/settings.py`).
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from paglets.model.errors import InvalidRequestError

KEY_BYTES = 32
"""Length of a key."""
KEYS_LIMIT = 2
"""Keys a host accepts at once: the first signs, the second is the one before or after it."""

_LABEL = "paglets-key"
_BEARER = b"paglets bearer 1"
_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Its repr names the id only, so that logs and tracebacks do not hold it."""

    secret: bytes = field(repr=False)
    """32 random bytes."""
    id: str = field(init=False)
    """First 8 hex digits of the secret's SHA-256; may be told to anyone."""

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.secret)}")
        object.__setattr__(self, "id", hashlib.sha256(self.secret).hexdigest()[:8])

    def text(self) -> str:
        """Return the key as one line to be carried to another machine; its id is a checksum."""
        body = base64.urlsafe_b64encode(self.secret).decode().rstrip("=")
        return f"{_LABEL}:{self.id}:{body}"

    def bearer_token(self) -> str:
        """Return the token for people, curl and Prometheus; the key cannot be had from it."""
        digest = hmac.digest(self.secret, _BEARER, "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_key() -> Key:
    """Return a key nobody else has."""
    return Key(secrets.token_bytes(KEY_BYTES))


def parse_key(text: str) -> Key:
    """Return the key that `Key.text` wrote, or that 64 hex digits spell (`openssl rand -hex 32`).

    Raises:
        InvalidRequestError: It is neither, or was damaged on its way. The text is not repeated.
    """
    line = text.strip()
    if _HEX.fullmatch(line):
        return Key(bytes.fromhex(line))
    label, _, rest = line.partition(":")
    key_id, _, body = rest.partition(":")
    if label != _LABEL or not body:
        raise InvalidRequestError("no key: a line of `paglets key export` is needed")
    try:
        key = Key(base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequestError(f"key {key_id[:8]} is damaged: copy the whole line") from error
    if key.id != key_id:
        raise InvalidRequestError(f"key {key_id[:8]} is damaged: copy the whole line")
    return key


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one host or client. The first signs; all are accepted."""

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= KEYS_LIMIT:
            raise InvalidRequestError(f"a key file has 1 or {KEYS_LIMIT} keys")

    @property
    def primary(self) -> Key:
        """The key that signs."""
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        """Return the key with this id."""
        for key in self.keys:
            if key.id == key_id:
                return key
        return None


def home_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's paglets folder: `PAGLETS_HOME`, else `~/.paglets`. It may not exist."""
    moved = environ.get("PAGLETS_HOME")
    return Path(moved) if moved else Path.home() / ".paglets"


def read_keyring(path: Path) -> Keyring:
    """Return the keys in a file, one a line; empty lines and those after `#` are skipped.

    Raises:
        InvalidRequestError: A line is no key, or there are none or too many.
        OSError: It cannot be read.
    """
    lines = [line.strip() for line in path.read_text().splitlines()]
    found = tuple(parse_key(line) for line in lines if line and not line.startswith("#"))
    try:
        return Keyring(found)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error}") from error


def write_new_keyring(path: Path, keyring: Keyring) -> Keyring:
    """Write a key file where there is none, atomically; return what the file holds then.

    Two hosts that start at once agree: one `link` wins, and the other reads the winner's file.

    Raises:
        InvalidRequestError: The file that was there is no key file.
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{key.text()}\n" for key in keyring.keys)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return read_keyring(path)


def host_keyring(
    data: Path, *, environ: MutableMapping[str, str], key_file: Path | None = None
) -> Keyring:
    """Return the keys of the host whose data folder is `data`; called once, when it starts.

    Looks at `key_file` or `PAGLETS_KEY_FILE` (made if it does not exist), then `PAGLETS_KEY`, which
    is removed from `environ`, then the data folder; else the user's default key is made or taken.

    Raises:
        InvalidRequestError: What was found is no key.
        OSError: A file cannot be read or made.
    """
    from_environ = environ.pop("PAGLETS_KEY", "")
    named = key_file or _path_of(environ.get("PAGLETS_KEY_FILE"))
    if named is not None:
        return _read_or_make(named)
    if from_environ:
        return Keyring((parse_key(from_environ),))
    own = data / "host.key"
    if own.exists():
        return read_keyring(own)
    shared = _read_or_make(home_dir(environ) / "keys" / "default.key")
    remember_key(shared.primary, environ=environ)
    return write_new_keyring(own, shared)


def client_keyring(
    *,
    environ: MutableMapping[str, str],
    key_file: Path | None = None,
    key_id: str | None = None,
) -> Keyring | None:
    """Return the key a client signs with, or None if this user has none that fits.

    Looks at `key_file` or `PAGLETS_KEY_FILE`, then `PAGLETS_KEY`, which is removed from `environ`,
    then `<home>/keys/<id>.key`, then the data folders of this user's hosts.

    Args:
        environ: The process environment.
        key_file: What `--key-file` says.
        key_id: The key the host uses, as its `/livez` tells; None means the user's default.

    Raises:
        InvalidRequestError: What was found is no key.
        OSError: A file that was named cannot be read.
    """
    from_environ = environ.pop("PAGLETS_KEY", "")
    named = key_file or _path_of(environ.get("PAGLETS_KEY_FILE"))
    if named is not None:
        return read_keyring(named)
    if from_environ:
        return Keyring((parse_key(from_environ),))
    home = home_dir(environ)
    if key_id is None:
        default = home / "keys" / "default.key"
        return read_keyring(default) if default.exists() else None
    if re.fullmatch(r"[0-9a-f]{8}", key_id) is None:  # told by an unknown host: no path, ever
        return None
    for path in (home / "keys" / f"{key_id}.key", *sorted(home.glob("hosts/*/host.key"))):
        key = _key_in(path, key_id)
        if key is not None:
            return Keyring((key,))
    return None


def remember_key(key: Key, *, environ: Mapping[str, str]) -> Path:
    """Store `key` under its id among this user's keys, and as the default where there is none.

    What `paglets key import` does.

    Returns:
        The file.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = home_dir(environ) / "keys"
    path = folder / f"{key.id}.key"
    write_new_keyring(path, Keyring((key,)))
    write_new_keyring(folder / "default.key", Keyring((key,)))
    return path


def _read_or_make(path: Path) -> Keyring:
    return read_keyring(path) if path.exists() else write_new_keyring(path, Keyring((new_key(),)))


def _key_in(path: Path, key_id: str) -> Key | None:
    try:
        return read_keyring(path).find(key_id)
    except (OSError, InvalidRequestError):  # one damaged file must not hide the others
        return None


def _path_of(text: str | None) -> Path | None:
    return Path(text) if text else None
