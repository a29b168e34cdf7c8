"""Reading TOML with errors that name the file, the table, the key and the line, and what helps.

`tomllib` gives the values but forgets where they stood; `line_of` finds that again for messages.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from paglets.model.errors import LaunchConfigError

T = TypeVar("T")

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")


class Source:
    """A TOML file, or a text in its place.

    Args:
        text: What it holds.
        path: Its name in messages; relative paths in it start at its folder.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self._lines = text.splitlines()
        try:
            self.values: Mapping[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise LaunchConfigError(
                f"{path} is no TOML: {error}; mend that line", file=str(path)
            ) from error

    def error(
        self, table: str, key: str, why: str, *, number: int | None = None
    ) -> LaunchConfigError:
        """Return the error that `why` says of a key, with its place.

        Args:
            table: Name of the table; empty at the top of the file.
            key: The key; empty where the table itself is wrong.
            why: What is wrong, and what to write instead.
            number: Which of several tables of this name, from 1.
        """
        line = self.line_of(table, key, number=number)
        if line is None:  # written in one line: `restart = { … }`
            outer, _, inner = table.rpartition(".")
            line = self.line_of(outer, inner, number=number) if inner else None
        place = self.place(table, number)
        at = str(self.path) if line is None else f"{self.path}, line {line}"
        what = " ".join(filter(None, [place, key]))
        return LaunchConfigError(
            f"{at}: {what}: {why}", file=str(self.path), table=table, key=key, line=line
        )

    def place(self, table: str, number: int | None = None) -> str:
        """Return a table as people write it: `[host]`, or `[[services]] no. 2`."""
        if not table:
            return ""
        if number is None:
            return f"[{table}]"
        entry, dot, _ = table.partition(".")
        return f"[{table}] of [[{entry}]] no. {number}" if dot else f"[[{table}]] no. {number}"

    def line_of(self, table: str, key: str, *, number: int | None = None) -> int | None:
        """Return the line, from 1, where a key or its table stands; None where it is not seen.

        Lines are only looked at, not parsed: a key inside a text of several lines deceives it.
        """
        present, seen, found = "", 0, None
        entry = table.partition(".")[0]
        wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else None
        for index, line in enumerate(self._lines, start=1):
            header = _HEADER.match(line)
            if header is not None:
                present = re.sub(r"\s|[\"']", "", header[2])
                seen += header[1] == "[[" and present == entry
                is_here = present == table and number in {None, seen}
                if is_here:
                    found = found or index
                elif key and present == f"{table}.{key}".lstrip(".") and number in {None, seen}:
                    return index
            elif present == table and number in {None, seen} and wanted and wanted.match(line):
                return index
        return found


class Table:
    """One table of a file: each key is taken once, what is left over is an error."""

    def __init__(
        self, source: Source, name: str, values: object, *, number: int | None = None
    ) -> None:
        self._source = source
        self._name = name
        self._number = number
        if not isinstance(values, Mapping):
            raise self.error("", f"is a table, not {_kind(values)}: write [{name}]")
        self._left: dict[str, object] = dict(values)
        self._known: list[str] = []

    @property
    def place(self) -> str:
        """Where this table is, for messages: file and header."""
        return f"{self._source.path} {self._source.place(self._name, self._number)}"

    @property
    def number_here(self) -> int | None:
        """Which of several tables of its name it is, from 1."""
        return self._number

    @property
    def folder(self) -> Path:
        """Folder at which relative paths start."""
        return self._source.path.parent

    def error(self, key: str, why: str) -> LaunchConfigError:
        """Return the error that `why` says of one of the keys."""
        return self._source.error(self._name, key, why, number=self._number)

    def take(self, key: str, kind: type[T], what: str) -> T | None:
        """Return the value of `key`, None where it is not set.

        Args:
            key: Name of the key.
            kind: What `tomllib` makes of a right value.
            what: The same in words.

        Raises:
            LaunchConfigError: It is something else.
        """
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"takes {what}, not {_kind(value)}")
        return value

    def text(self, key: str) -> str | None:
        """Return a text that is not empty."""
        value = self.take(key, str, 'a text such as "alpha"')
        if value is not None and not value.strip():
            raise self.error(key, "is empty: write a value, or remove the line")
        return value

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        return self.take(key, bool, "true or false")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return an array of texts."""
        values = self.take(key, list, 'an array of texts such as ["one", "two"]')
        if values is None:
            return None
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.error(key, f"takes texts that are not empty, not {value!r}")
        return tuple(values)

    def words(self, key: str) -> dict[str, str] | None:
        """Return a table of texts by name."""
        values = self.take(key, dict, 'a table of texts such as { rack = "7" }')
        if values is None:
            return None
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.error(key, f'takes texts: write {name} = "{value}"')
        return dict(values)

    def whole(self, key: str, *, least: int = 1, most: int | None = None) -> int | None:
        """Return a whole number from `least` to `most`."""
        value = self.take(key, int, "a whole number")
        if value is not None and (value < least or (most is not None and value > most)):
            top = "or more" if most is None else f"to {most}"
            raise self.error(key, f"is {value}: write a number of {least} {top}")
        return value

    def number(self, key: str) -> float | None:
        """Return a number above 0."""
        whole = isinstance(self._left.get(key), int)
        value = self.take(key, int if whole else float, "a number of seconds such as 2.5")
        if value is not None and not 0 < value < float("inf"):
            raise self.error(key, f"is {value}: write a number above 0")
        return None if value is None else float(value)

    def paths(self, key: str) -> tuple[Path, ...] | None:
        """Return paths; relative ones start at the file's folder, `~` is one's home."""
        values = self.texts(key)
        return None if values is None else tuple(self._path(value) for value in values)

    def path(self, key: str) -> Path | None:
        """Return a path, as `paths` does."""
        value = self.text(key)
        return None if value is None else self._path(value)

    def _path(self, text: str) -> Path:
        return (self.folder / Path(text).expanduser()).absolute()

    def choice(self, key: str, choices: Iterable[str]) -> str | None:
        """Return one of `choices`."""
        value = self.text(key)
        known = list(choices)
        if value is not None and value not in known:
            listed = ", ".join(f'"{each}"' for each in known)
            raise self.error(key, f'is "{value}": write one of {listed}{_meant(value, known)}')
        return value

    def finish(self) -> None:
        """Raise LaunchConfigError for a key that nobody has taken."""
        for key in self._left:
            hint = _meant(key, self._known) or f"; known are {', '.join(sorted(self._known))}"
            raise self.error(key, f"is not known{hint}")


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""


def _kind(value: object) -> str:
    match value:
        case bool():
            return f"{str(value).lower()}"
        case str():
            return f'the text "{value[:60]}"'
        case int() | float():
            return f"the number {value}"
        case list():
            return "an array"
        case Mapping():
            return "a table"
        case _:
            return f"{value}"
