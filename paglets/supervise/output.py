"""What a Paglet Process printed: the last lines, kept in bounded memory, also after its death.

Pure: bytes in, lines out. Reading the pipe is `process.py`'s work, showing lines the host's.
"""

import codecs
from collections import deque
from collections.abc import Callable

OUTPUT_LIMIT = 64 * 1024
"""Bytes of text kept per paglet, unless told otherwise."""

LINE_LIMIT = 8 * 1024
"""Characters after which a line is cut in two: a paglet may print for ever without a line feed."""


class OutputRing:
    """The last lines of a process, oldest first.

    Args:
        on_line: Called with each whole line, without its line feed.
        limit_bytes: How much text is kept, counted in UTF-8 with one byte for each line's end.
    """

    def __init__(
        self, on_line: Callable[[str], None] | None = None, *, limit_bytes: int = OUTPUT_LIMIT
    ) -> None:
        self.on_line = on_line
        """Called with each whole line, without its line feed."""
        self._limit = limit_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""
        self._lines: deque[tuple[str, int]] = deque()
        self._size = 0
        self._dropped = 0

    def tell(self, on_line: Callable[[str], None] | None) -> None:
        """Call `on_line` with the lines kept so far and with each that follows."""
        self.on_line = on_line
        if on_line is not None:
            for line, _size in self._lines:
                on_line(line)

    @property
    def lines(self) -> list[str]:
        """The lines kept, and last what was printed of a line that has not ended."""
        kept = [line for line, _size in self._lines]
        return [*kept, self._partial] if self._partial else kept

    @property
    def dropped(self) -> int:
        """How many lines were let go to stay within the limit."""
        return self._dropped

    def absorb(self, ended: "OutputRing") -> None:
        """Keep the lines of a process that has ended behind those kept so far; in silence."""
        on_line, self.on_line = self.on_line, None
        self._dropped += ended.dropped
        for line in ended.lines:
            self._keep(line)
        self.on_line = on_line

    def feed(self, data: bytes) -> None:
        """Take what was read from the pipe, cut anywhere."""
        self._take(self._decoder.decode(data))

    def finish(self) -> None:
        """Take the last line as whole: the process has ended."""
        self._take(self._decoder.decode(b"", final=True))
        if self._partial:
            line, self._partial = self._partial, ""
            self._keep(line)

    def _take(self, text: str) -> None:
        *whole, rest = (self._partial + text).split("\n")
        for line in whole:
            self._keep_cut(line)
        while len(rest) > LINE_LIMIT:
            self._keep(rest[:LINE_LIMIT])
            rest = rest[LINE_LIMIT:]
        self._partial = rest

    def _keep_cut(self, line: str) -> None:
        for start in range(0, max(len(line), 1), LINE_LIMIT):
            self._keep(line[start : start + LINE_LIMIT])

    def _keep(self, line: str) -> None:
        line = line.removesuffix("\r")
        size = len(line.encode()) + 1
        self._lines.append((line, size))
        self._size += size
        while self._size > self._limit and self._lines:
            _line, gone = self._lines.popleft()
            self._size -= gone
            self._dropped += 1
        if self.on_line is not None:
            self.on_line(line)
