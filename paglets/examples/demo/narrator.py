"""Prints the account of the demo: chapters, what happened, and how long it took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

BOLD, DIM, GREEN, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[0m"


class Narrator:
    """Tells a story on a stream, in colour where that is a terminal.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._in_color = stream.isatty()
        self._began = time.monotonic()
        self._chapters = 0
        self.checks = 0
        """Claims that were checked and held."""

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapters += 1
        self._write(f"\n{self._colored(BOLD, f'{self._chapters}. {title}')}")

    def tell(self, text: str) -> None:
        """Print one sentence with the time."""
        for number, line in enumerate(text.splitlines()):
            stamp = f"{self.elapsed:6.2f} s" if number == 0 else " " * 8
            self._write(f"{self._colored(DIM, stamp)}  {line}")

    def held(self, text: str) -> None:
        """Print a claim that was checked."""
        self.checks += 1
        self.tell(f"{self._colored(GREEN, 'ok')} {text}")

    @contextmanager
    def timed(self, text: str) -> Iterator[None]:
        """Print `text` after the block, with how long the block took."""
        began = time.monotonic()
        yield
        self.tell(f"{text} ({(time.monotonic() - began) * 1000:.0f} ms)")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a small table."""
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for line in (columns, *rows):
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self._write("          " + "  ".join(cells).rstrip())

    def _colored(self, color: str, text: str) -> str:
        return f"{color}{text}{PLAIN}" if self._in_color else text

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
