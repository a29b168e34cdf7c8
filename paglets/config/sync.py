"""Keeping the user's launch.toml up to date with the one that comes with paglets. Pure.

What was bundled when the file was last made or updated, its base, is kept beside it. With that the
three texts tell what the user changed and what paglets did: a file that nobody edited follows a
newer paglets by itself, an edited one only when asked, and then keeps every edit and comment.
`launchfile.py` reads and writes the files.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import tomlkit
from tomlkit.exceptions import ParseError
from tomlkit.items import AoT, InlineTable, Table

from paglets.model.enums import LaunchConfigSyncAction
from paglets.model.errors import LaunchConfigError


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a sync is to do."""

    action: LaunchConfigSyncAction
    text: str | None = None
    """What launch.toml is to hold; None: it stays as it is."""
    base: str | None = None
    """What is to be kept as its base; None: that stays too."""
    changes: tuple[str, ...] = ()
    """What a newer paglets brings to an edited file, in words."""


def decide_sync(bundled: str, present: str | None, base: str | None, *, yes: bool) -> SyncPlan:
    """Decide what a sync does.

    Args:
        bundled: The launch.toml of this paglets.
        present: The user's; None where there is none.
        base: What was bundled when the user's was made or last updated; None where nobody knows.
        yes: Whether an edited file may be changed.

    Raises:
        LaunchConfigError: The user's file is no TOML, so nothing can be put into it.
    """
    if present is None:
        return SyncPlan(LaunchConfigSyncAction.COPIED, text=bundled, base=bundled)
    if present == bundled:
        return SyncPlan(LaunchConfigSyncAction.UNCHANGED, base=None if base == bundled else bundled)
    if present == base:
        return SyncPlan(LaunchConfigSyncAction.UPDATED, text=bundled, base=bundled)
    return _decide_edited(bundled, present, base, yes=yes)


def _decide_edited(bundled: str, present: str, base: str | None, *, yes: bool) -> SyncPlan:
    if base == bundled:
        return SyncPlan(LaunchConfigSyncAction.SKIPPED)
    merged = merge(bundled, present, base)
    if not merged.changes:
        return SyncPlan(LaunchConfigSyncAction.SKIPPED, base=bundled)
    if not yes:
        return SyncPlan(LaunchConfigSyncAction.UPDATE_AVAILABLE, changes=merged.changes)
    return SyncPlan(
        LaunchConfigSyncAction.UPDATED, text=merged.text, base=bundled, changes=merged.changes
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """An edited file with what is new in the bundled one."""

    text: str
    changes: tuple[str, ...]
    """What differs from the edited file, in words."""


def merge(bundled: str, present: str, base: str | None) -> Merged:
    """Put what changed from `base` to `bundled` into `present`, where the user left it alone.

    Comments and order of `present` stay. Without a base, what is missing counts as new.

    Raises:
        LaunchConfigError: `present` is no TOML.
    """
    try:
        document = tomlkit.parse(present)
    except ParseError as error:
        raise LaunchConfigError(
            f"launch.toml is no TOML: {error}; mend that line, or remove the file and run "
            "`paglets launch sync`",
            line=error.line,
        ) from error
    work = _Merge()
    work.tables(document, tomlkit.parse(bundled), tomlkit.parse(base or "").unwrap(), "")
    return Merged(tomlkit.dumps(document), tuple(work.changes))


@dataclass(slots=True)
class _Merge:
    """Merges tables into each other and remembers what it did."""

    changes: list[str] = field(default_factory=list)

    def tables(
        self,
        mine: tomlkit.TOMLDocument | Table | InlineTable,
        theirs: Mapping[str, object],
        base: Mapping[str, object],
        place: str,
    ) -> None:
        """Bring one table of the user's up to date.

        Args:
            mine: The user's; changed in place.
            theirs: The bundled one.
            base: The one that was bundled before.
            place: Where it is, for people.
        """
        for key, new in theirs.items():
            name = f"{place}{key}"
            old = base.get(key)
            here = mine.get(key)
            if isinstance(new, AoT) and isinstance(here, AoT | None):
                entries = tomlkit.aot() if here is None else here
                self._entries(entries, new, old if isinstance(old, Sequence) else (), name)
                if here is None and len(entries):
                    mine.add(key, entries)
            elif here is None:
                if old is None:
                    mine.add(key, deepcopy(new))
                    self.changes.append(f"{name}: added")
                # Else the user has removed it.
            elif isinstance(new, Mapping) and isinstance(here, Table | InlineTable):
                self.tables(here, new, old if isinstance(old, Mapping) else {}, f"{name}.")
            elif here == old != new:
                mine[key] = deepcopy(new)
                self.changes.append(f"{name}: {old!r} is {_plain(new)!r} now")
        for key, old in base.items():
            if key in mine and key not in theirs and _plain(mine[key]) == old:
                mine.remove(key)
                self.changes.append(f"{place}{key}: removed")

    def _entries(self, mine: AoT, theirs: AoT, base: Sequence[object], place: str) -> None:
        """Bring the entries of `[[services]]` or `[[paglets]]` up to date, found by what they are.

        An entry that the user removed stays away; one that they changed stays as it is, but for
        keys they left alone.
        """
        before = {_ident(entry): entry for entry in base if isinstance(entry, Mapping)}
        present = {_ident(entry): entry for entry in mine}
        offered = {_ident(entry): entry for entry in theirs}
        for ident, new in offered.items():
            name = f"[[{place}]] {ident}"
            if ident in present:
                self.tables(present[ident], new, before.get(ident, {}), f"{name} ")
            elif ident not in before:
                mine.append(deepcopy(new))
                self.changes.append(f"{name}: added")
        for ident, old in before.items():
            if ident not in offered and ident in present and _plain(present[ident]) == old:
                del mine[[_ident(entry) for entry in mine].index(ident)]
                self.changes.append(f"[[{place}]] {ident}: removed")


def _ident(entry: Mapping[str, object]) -> str:
    """Return what an entry is about: its class or alias, whatever else it says."""
    return str(entry.get("class") or entry.get("alias") or "?")


def _plain(value: object) -> object:
    return value.unwrap() if hasattr(value, "unwrap") else value
