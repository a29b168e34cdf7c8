"""Work folders nobody owns any more: set aside at once, removed when there is time.

A work folder's name is its paglet's id, so whatever is removed slowly first gets a name that no
paglet has: one that comes back, or is created under the same id, starts with an empty folder.
`persistent()` folders are not looked at: they stay with the host while their paglet travels.
"""

import shutil
from collections.abc import Container, Sequence
from pathlib import Path

from paglets.model.names import new_id

_PREFIX = ".left-"
"""No agent id begins with a dot."""


def set_aside(folder: Path) -> Path | None:
    """Give a folder a name that no paglet has; return its new path, None if there is none."""
    try:
        return folder.rename(folder.with_name(f"{_PREFIX}{new_id()}"))
    except FileNotFoundError:
        return None


def find_leftovers(folder: Path, owners: Container[str]) -> list[Path]:
    """Set aside what a killed host left in `folder`, and return all that is set aside there.

    Called while a host starts, before anything can be created.

    Args:
        folder: Holds the work folders; need not exist.
        owners: Ids of the paglets that live here.
    """
    if not folder.is_dir():
        return []
    left = []
    for path in folder.iterdir():
        if path.name.startswith(_PREFIX):
            left.append(path)
        elif path.name not in owners:
            aside = set_aside(path)
            if aside is not None:
                left.append(aside)
    return left


def remove(folders: Sequence[Path]) -> None:
    """Remove folders that were set aside; blocks. What resists is tried again at the next start."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
