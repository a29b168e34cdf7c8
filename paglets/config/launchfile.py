"""Where launch.toml lies, and how it is made and kept up to date there (`sync.py` decides how)."""

import os
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from paglets.config.settings import paglets_home
from paglets.config.sync import SyncPlan, decide_sync
from paglets.model.enums import LaunchConfigSyncAction
from paglets.model.errors import LaunchConfigError, StorageFullError

_BASE = ".launch.toml.base"
"""Beside launch.toml: what was bundled when it was made or last updated."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync has done."""

    action: LaunchConfigSyncAction
    path: Path
    backup: Path | None = None
    """The file as it was before it was updated."""
    changes: tuple[str, ...] = ()
    """What a newer paglets brought, or would bring with `--yes`."""


def launch_path() -> Path:
    """Return where this user's launch.toml lies: in `PAGLETS_HOME`, else in `~/.paglets`."""
    return paglets_home() / "launch.toml"


def bundled_path() -> Path:
    """Return the launch.toml that comes with this paglets."""
    return Path(str(files("paglets.config") / "defaults" / "launch.toml"))


def sync_launch(path: Path, *, yes: bool = False, look: bool = False) -> SyncReport:
    """Make a launch.toml, or bring what is new in this paglets to it.

    A file that nobody edited is replaced; an edited one changes only with `yes`, and keeps every
    edit then. Each time the file as it was is kept as a backup. Killed in the middle, the next
    sync goes on.

    Args:
        path: Of the file; its folder is made too.
        yes: Whether an edited file may be changed.
        look: Do nothing; only tell what would be done.

    Raises:
        LaunchConfigError: The file cannot be read or is no TOML.
        OSError: Its folder cannot be written to.
        StorageFullError: No room for a backup name.
    """
    base_path = path.with_name(_BASE)
    bundled = bundled_path().read_bytes().decode()
    present, base = _read(path), _read(base_path)
    try:
        plan = decide_sync(bundled, present, base, yes=yes)
    except LaunchConfigError as error:
        raise LaunchConfigError(f"{path}: {error.message}", file=str(path)) from error
    report = SyncReport(plan.action, path, changes=plan.changes)
    return report if look else _carry_out(plan, report, present, base_path)


def _carry_out(
    plan: SyncPlan, report: SyncReport, present: str | None, base_path: Path
) -> SyncReport:
    path, backup = report.path, None
    path.parent.mkdir(parents=True, exist_ok=True)
    if plan.text is not None and present is None:
        if not _write(path, plan.text, replace=False):
            return SyncReport(LaunchConfigSyncAction.UNCHANGED, path)  # another host was faster
    elif plan.text is not None and present is not None:
        backup = _back_up(path, present)
        _write(path, plan.text)
    if plan.base is not None:
        _write(base_path, plan.base)
    return SyncReport(report.action, path, backup, report.changes)


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()  # line ends as they are
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise LaunchConfigError(f"{path} cannot be read: {why}", file=str(path)) from error


def _back_up(path: Path, text: str) -> Path:
    for number in range(1, 1000):
        backup = path.with_name(f"{path.name}.bak{number}")
        if _write(backup, text, replace=False):
            return backup
    raise StorageFullError(f"{path.parent} holds a thousand backups of {path.name}: remove some")


def _write(path: Path, text: str, *, replace: bool = True) -> bool:
    """Write a file whole or not at all; return False where there is one and it may not go."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".launch-")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
