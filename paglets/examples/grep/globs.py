"""Globs of absolute paths: where to begin to look, and which files are meant. Pure.

`*` and `?` stand for anything within one name, `[abc]` for one character, `**` for any number of
folders. Hidden names are met only by a pattern that names their dot.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Glob:
    """A parsed glob."""

    root: PurePosixPath
    """The folder, or file, below which everything lies that it meets."""
    depth: int | None
    """Levels below `root`; None for any."""
    expression: re.Pattern[str]
    """What the whole path matches."""
    is_hidden: bool
    """Whether it may meet hidden names below `root`."""

    def meets(self, path: str) -> bool:
        """Return whether a path is meant."""
        return self.expression.fullmatch(path) is not None


def parse_glob(text: str) -> Glob:
    """Return `text` as a glob; one without wildcards means the file, or all files below the folder.

    Raises:
        ValueError: It is no absolute path, or has a `[` without its `]`.
    """
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text!r} is no absolute path without '..'")
    parts = path.parts[1:]
    plain = next((n for n, part in enumerate(parts) if _MAGIC.search(part)), None)
    if plain is None:
        below = re.escape(str(path)) + (r"(?:/[^/.][^/]*)*" if parts else r"(?:[^/.][^/]*/?)*")
        return Glob(path, None, re.compile(below), is_hidden=False)
    depth = None if "**" in parts else len(parts) - plain
    pattern = "".join(map(_part, parts)).removeprefix("/")
    if parts[-1] == "**":
        pattern += r"[^/.][^/]*"
    expression = re.compile("/" + pattern.rstrip("/"))
    is_hidden = any(part.startswith(".") for part in parts[plain:])
    return Glob(PurePosixPath("/", *parts[:plain]), depth, expression, is_hidden)


def _part(part: str) -> str:
    """Return the expression of one name and the slash after it."""
    if part == "**":
        return r"(?:[^/.][^/]*/)*"
    found = "" if part.startswith(".") else r"(?![.])"
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[":
            end = part.find("]", at + 1)
            if end < 0:
                raise ValueError(f"{part!r} has a [ without its ]")
            inside = part[at:end].replace("\\", r"\\").replace("[", r"\[")
            found += f"[{'^' + inside[1:] if inside[0] in '!^' else inside}]"
            at = end + 1
        else:
            found += re.escape(character)
    return found + "/"
