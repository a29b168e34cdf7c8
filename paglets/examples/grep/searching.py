"""Looks into the files of one host; called in a Paglet Process.

What may be searched is what everybody with an account on that machine may read, and what the
host's owner named: `paglets host --property grep=/srv/data:/var/log` lets everything below these
folders be searched that the host's user can read, `grep=off` nothing at all.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paglets.examples.grep.globs import Glob
from paglets.examples.grep.model import Hit, Tally

PROPERTY = "grep"
"""Property of a host that says what may be searched beside what everybody may read."""
LINE_CHARACTERS = 65_536
"""A longer line is searched in pieces of this length."""
SHOWN_CHARACTERS = 300
"""Of a line, in a hit."""
_PROBE_BYTES = 8192
"""A file with a zero byte in its beginning is taken for binary and left out, as by grep."""
_NEVER = ("/proc", "/sys", "/dev", "/run")
"""No files of people are there."""


@dataclass(frozen=True)
class Rules:
    """What may be searched on a host."""

    is_off: bool = False
    roots: tuple[Path, ...] = ()
    """Below these, all that the host's user can read."""

    @classmethod
    def read(cls, text: str | None) -> "Rules":
        """Return what the owner's property says; None: it is not set."""
        if text is not None and text.strip().lower() == "off":
            return cls(is_off=True)
        roots = [part for part in (text or "").split(":") if part]
        return cls(roots=tuple(Path(part).resolve() for part in roots))

    def allow(self, path: Path) -> bool:
        """Return whether a file may be searched; `path` has no symbolic links.

        Raises:
            OSError: It cannot be looked at.
        """
        if self.is_off or any(path.is_relative_to(never) for never in _NEVER):
            return False
        if any(path.is_relative_to(root) for root in self.roots):
            return True
        folders_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
        return folders_open and bool(path.stat().st_mode & stat.S_IROTH)


class Search:
    """One search on one host.

    Args:
        host: Its name, for the hits.
        expression: What to find in a line.
        rules: What may be searched.
        limits: The most matches and the most bytes.
        stop: Asked often; True ends the search.
    """

    def __init__(
        self,
        host: str,
        expression: re.Pattern[str],
        rules: Rules,
        *,
        limits: tuple[int, int],
        stop: Callable[[], bool],
    ) -> None:
        self._host = host
        self._expression = expression
        self._rules = rules
        self._most_matches, self._most_bytes = limits
        self._stop = stop
        self.tally = Tally()
        """What has been done so far."""

    def hits(self, globs: Sequence[Glob]) -> Iterator[Hit]:
        """Yield what is found, file by file, until all are searched or a limit is reached."""
        seen: set[tuple[int, int]] = set()
        for glob in globs:
            for path in files_of(glob):
                if self._is_over():
                    return
                yield from self._look_into(path, seen)

    def _is_over(self) -> bool:
        if self.tally.matches >= self._most_matches:
            self.tally.cut = f"{self._most_matches} matches, which is the limit"
        elif self.tally.read_bytes >= self._most_bytes:
            self.tally.cut = f"{self._most_bytes / 2**20:g} MiB read, which is the limit"
        elif self._stop():
            self.tally.cut = "the time is over"
        return bool(self.tally.cut)

    def _look_into(self, path: Path, seen: set[tuple[int, int]]) -> Iterator[Hit]:
        try:
            real = path.resolve(strict=True)
            if not self._rules.allow(real):
                self.tally.unreadable += 1
                return
            with real.open("rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen:
                    return
                seen.add((status.st_dev, status.st_ino))
                if b"\0" in file.read(_PROBE_BYTES):
                    return
            self.tally.files += 1
            yield from self._lines(path, real)
        except OSError:  # not ours to read, or gone meanwhile
            self.tally.unreadable += 1

    def _lines(self, path: Path, real: Path) -> Iterator[Hit]:
        number, is_begun = 1, False
        with real.open(encoding="utf-8", errors="replace", newline="\n") as file:
            while piece := file.readline(LINE_CHARACTERS):
                self.tally.read_bytes += len(piece)
                if self._expression.search(piece.rstrip("\n")):
                    self.tally.matches += 1
                    yield Hit(self._host, str(path), number, shown(piece))
                is_begun = not piece.endswith("\n")
                number += not is_begun
                if (number % 256 == 0 or is_begun or self.tally.matches) and self._is_over():
                    return


def files_of(glob: Glob) -> Iterator[Path]:
    """Yield the files that a glob means, in the order of their names; links to folders are left."""
    root = Path(glob.root)
    if root.is_file():
        if glob.meets(str(root)):
            yield root
        return
    for folder, folders, names in os.walk(root):
        level = len(Path(folder).parts) - len(root.parts)
        if folder in _NEVER or (glob.depth is not None and level + 1 >= glob.depth):
            folders.clear()
        folders[:] = sorted(each for each in folders if glob.is_hidden or each[0] != ".")
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - walked by the thousand
            if glob.meets(path):
                yield Path(path)


def shown(line: str) -> str:
    """Return a line as it is shown: without its end and controls, cut where it is long."""
    text = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}"
                   for c in line.rstrip("\r\n"))  # fmt: skip
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
