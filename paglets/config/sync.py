"""Keeping the user's launch.toml up to date with the one that comes with paglets."""

import os
import tempfile
from importlib.resources import files
from pathlib import Path


def bundled_path() -> Path:
    """Return the launch.toml that comes with this paglets."""
    return Path(str(files("paglets.config") / "defaults" / "launch.toml"))


def first_copy(path: Path) -> bool:
    """Copy the bundled launch.toml to `path` where there is none; return whether it was.

    Raises:
        OSError: The folder cannot be written to.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".launch-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(bundled_path().read_text(encoding="utf-8"))
        os.link(temporary, path)  # never over a file that another host has just made
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True
