"""Rows as columns and back: msgpack bodies, checksums, and manifests that are stored once.

Pure but for the manifest caches. A row that cannot be decoded is `DamagedError`; who reads decides
what becomes of it (`damage.py` at start, the caller later).
"""

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec

from paglets.model.enums import Launched, PagletStatus
from paglets.model.errors import DamagedError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.store.rows import Blob, Due, PagletRow

T = TypeVar("T")

_MANIFEST_CACHE = 256
"""Manifest objects whose encoding is remembered; each is a few KiB."""


class RowColumns(NamedTuple):
    """Columns of `paglets` from which a row is decoded, in this order."""

    agent_id: str
    status: str
    term: int
    hops: int
    manifest: str
    body: bytes
    crc: int


class _Body(msgspec.Struct, frozen=True):
    """What `paglets.body` holds: the row but for its manifest and the bytes of its state."""

    agent_id: str
    birth_id: str
    status: PagletStatus
    epoch: Epoch
    state: Blob
    due: Due | None
    policy: DeactivationPolicy | None
    transfer_id: str | None
    peer: PeerAddress | None
    envelope: bytes | None
    files: tuple[tuple[str, Blob], ...]
    error: str | None
    created_at: float
    changed_at: float
    launched: Launched | None = None
    """Absent in rows of the first version."""


def checksum(*parts: str | bytes) -> int:
    """Return a checksum of `parts` in this order, to notice bytes that changed on disk."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part if isinstance(part, bytes) else part.encode(), crc)
    return crc


def encode(value: object) -> bytes:
    """Return a row's value as the bytes of its `body`."""
    return msgspec.msgpack.encode(value)


def decode(body: bytes, expected: type[T], *, what: str) -> T:
    """Return the value of a `body`.

    Raises:
        DamagedError: It is no such value.
    """
    try:
        return msgspec.msgpack.decode(body, type=expected)
    except (msgspec.DecodeError, ValueError) as error:
        raise DamagedError(f"{what} cannot be decoded: {error}") from error


def verify(crc: int, *parts: str | bytes, what: str) -> None:
    """Check stored bytes against their checksum.

    Raises:
        DamagedError: They are not what was written.
    """
    if checksum(*parts) != crc:
        raise DamagedError(f"{what} is not what was written: its checksum differs")


def encode_row(row: PagletRow) -> bytes:
    """Return the body of a row; the manifest and the bytes of an inline state go elsewhere."""
    body = _Body(
        agent_id=row.agent_id,
        birth_id=row.birth_id,
        status=row.status,
        epoch=row.epoch,
        state=replace(row.state, data=None),
        due=row.due,
        policy=row.policy,
        transfer_id=row.transfer_id,
        peer=row.peer,
        envelope=row.envelope,
        files=row.files,
        error=row.error,
        created_at=row.created_at,
        changed_at=row.changed_at,
        launched=row.launched,
    )
    return encode(body)


def decode_row(columns: RowColumns, manifest: ClassManifest) -> PagletRow:
    """Return the row of these columns; an inline state that is not empty is not loaded.

    Raises:
        DamagedError: The checksum differs, it does not decode, or columns and body disagree.
    """
    what = f"row of paglet {columns.agent_id}"
    verify(columns.crc, columns.agent_id, columns.manifest, columns.body, what=what)
    body = decode(columns.body, _Body, what=what)
    if (body.agent_id, body.status, *body.epoch) != columns[:4]:
        raise DamagedError(f"{what} is not what was written: its columns and its body disagree")
    return PagletRow(
        agent_id=body.agent_id,
        birth_id=body.birth_id,
        manifest=manifest,
        status=body.status,
        epoch=body.epoch,
        state=Blob.inline(b"") if body.state.size == 0 else body.state,
        due=body.due,
        policy=body.policy,
        transfer_id=body.transfer_id,
        peer=body.peer,
        envelope=body.envelope,
        files=body.files,
        error=body.error,
        created_at=body.created_at,
        changed_at=body.changed_at,
        launched=body.launched,
    )


def decode_state_blob(body: bytes, *, what: str) -> Blob:
    """Return the state's blob of a row's body, without inline bytes.

    Raises:
        DamagedError: The body does not decode.
    """
    return decode(body, _Body, what=what).state


class _Launched(msgspec.Struct, frozen=True):
    """The one field of a body that says whether launch.toml names the paglet."""

    launched: str | None = None


def is_launched(body: bytes) -> bool:
    """Whether a row's body is of a paglet that its host made by itself.

    A body that does not decode is no such one; whoever reads its row finds the damage.
    """
    try:
        return msgspec.msgpack.decode(body, type=_Launched).launched is not None
    except msgspec.DecodeError:
        return False


def blobs_of(row: PagletRow) -> Iterator[Blob]:
    """Yield the blobs of a row: its state, then its files."""
    yield row.state
    for _, blob in row.files:
        yield blob


class EncodedManifest(NamedTuple):
    """A manifest as `manifests` holds it."""

    digest: str
    body: bytes


class ManifestEncoder:
    """Encodes each manifest object once; used by the writer thread only."""

    def __init__(self) -> None:
        # by identity: a manifest holds dicts, so it cannot be hashed; the object is kept alive
        self._known: OrderedDict[int, tuple[ClassManifest, EncodedManifest]] = OrderedDict()

    def encode(self, manifest: ClassManifest) -> EncodedManifest:
        """Return the digest and JSON of `manifest`."""
        known = self._known.get(id(manifest))
        if known is not None:
            self._known.move_to_end(id(manifest))
            return known[1]
        body = msgspec.json.encode(manifest)
        encoded = EncodedManifest(hashlib.sha256(body).hexdigest(), body)
        self._known[id(manifest)] = (manifest, encoded)
        if len(self._known) > _MANIFEST_CACHE:
            self._known.popitem(last=False)
        return encoded


def decode_manifest(digest: str, body: bytes) -> ClassManifest:
    """Return the manifest stored under `digest`.

    Raises:
        DamagedError: It is not what was written.
    """
    if hashlib.sha256(body).hexdigest() != digest:
        raise DamagedError(f"class manifest {digest[:12]} is not what was written")
    try:
        return msgspec.json.decode(body, type=ClassManifest)
    except (msgspec.DecodeError, ValueError) as error:
        raise DamagedError(f"class manifest {digest[:12]} cannot be decoded: {error}") from error
