"""A paglet's folders on its host, and the files that travel with its next move."""

import hashlib
import shutil
import threading
from pathlib import Path

from paglets.model.enums import FileMode
from paglets.model.errors import InvalidRequestError, StorageFullError
from paglets.model.names import new_id
from paglets.wire.calls import PART_SUFFIX, FileOffer, Load

_CHUNK = 1024 * 1024


class PagletFiles:
    """Folders and registered files of one paglet. Safe in threads."""

    def __init__(self, call: Load) -> None:
        self._work_dir = Path(call.work_dir)
        self._persistent = Path(call.persistent_dir)
        self._quota = call.persistent_quota_bytes
        self._incoming = Path(call.incoming_dir)
        self._mutex = threading.Lock()
        self._registered: dict[str, tuple[Path, FileMode]] = {}

    def work_dir(self) -> Path:
        """Return the paglet's folder on this host, made if need be."""
        return _made(self._work_dir)

    def persistent_dir(self) -> Path:
        """Return the folder that stays with the host, made if need be.

        Raises:
            StorageFullError: It is over the host's quota.
        """
        folder = _made(self._persistent)
        if self._quota:
            used = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
            if used > self._quota:
                raise StorageFullError(
                    f"{folder} holds {used} bytes, over its quota of {self._quota}; "
                    "remove something",
                    used_bytes=used,
                    quota_bytes=self._quota,
                )
        return folder

    def register(self, path: Path, mode: FileMode) -> None:
        """Let a file travel; see `Storage.register_file`."""
        path = (self._work_dir / path).absolute()
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file that could travel")
        with self._mutex:
            known = self._registered.get(path.name)
            if known is not None and known[0] != path:
                raise ValueError(f"{known[0]} travels as {path.name!r} already; rename {path}")
            self._registered[path.name] = (path, mode)

    def offer(self, *, keep: bool) -> tuple[FileOffer, ...]:
        """Copy the registered files for the host.

        Args:
            keep: The originals stay whatever their mode: a clone takes copies.

        Raises:
            InvalidRequestError: A file is gone.
            StorageFullError: There is no room for the copies.
        """
        with self._mutex:
            registered = dict(self._registered)
        offers: list[FileOffer] = []
        for name, (path, mode) in registered.items():
            copy = self._incoming / f"file-{new_id()}{PART_SUFFIX}"
            size, digest = _copy(path, copy)
            original = str(path) if mode is FileMode.MOVE and not keep else None
            offers.append(
                FileOffer(name=name, path=str(copy), size=size, sha256=digest, original=original)
            )
        return tuple(offers)


def _copy(source: Path, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        reading = source.open("rb")
    except OSError as error:
        raise InvalidRequestError(f"registered file {source}: {error.strerror}") from error
    try:
        with reading, target.open("xb") as writing:
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                writing.write(chunk)
                size += len(chunk)
        shutil.copymode(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise StorageFullError(f"copy of {source} for the move: {error.strerror}") from error
    return size, digest.hexdigest()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
