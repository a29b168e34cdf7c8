"""Files into volumes and out of containers, by the engine: no folder is shared with it."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from docker.errors import NotFound
from docker.models.containers import Container

from paglets.testing.engine import engine
from paglets.testing.reaper import labels


def read_file(container: Container, path: str) -> bytes | None:
    """Return the content of a file in a container, running or not; None if there is none."""
    try:
        chunks, _ = container.get_archive(path)
        packed = io.BytesIO(b"".join(chunks))
    except NotFound:
        return None
    with tarfile.open(fileobj=packed) as archive:
        member = archive.extractfile(PurePosixPath(path).name)
        return None if member is None else member.read()


def fill_volume(image: str, volume: str, folders: Sequence[Path]) -> None:
    """Put what is in some folders into a volume.

    Args:
        image: Any image; a container of it holds the volume meanwhile and is never started.
        volume: Its name.
        folders: Their contents go to the volume's top.
    """
    mounts = {volume: {"bind": "/volume", "mode": "rw"}}
    holder = engine().containers.create(image, volumes=mounts, labels=labels())
    try:
        holder.put_archive("/volume", _packed(folders))
    finally:
        holder.remove(v=True)


def _packed(folders: Sequence[Path]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in folders:
            for path in sorted(folder.iterdir()):
                archive.add(path, arcname=path.name, filter=_readable)
    return packed.getvalue()


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in member.name:
        return None
    # Any user of the container reads it, whoever owns it here.
    member.uid = member.gid = 0
    member.mode = 0o755 if member.isdir() else 0o644
    return member
