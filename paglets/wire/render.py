"""State bytes for people to look at, by a host that has no class to decode them with.

What comes out is JSON-compatible and bounded, for `GET /agents/{id}/state`; it is not meant to be
read back: the types are gone. `wire/codec.py` decodes with the class.
"""

import base64
import datetime as dt
import math
from itertools import islice
from types import NoneType
from typing import Any

import msgspec

from paglets.model.errors import StateError
from paglets.model.message import DEPTH_LIMIT, JsonValue

MAX_ITEMS = 10_000
"""Most values in a rendering, over all levels; what is beyond is counted, not shown."""

MAX_TEXT = 64 * 1024
"""Longest text in a rendering, in characters; what is beyond is counted, not shown."""

MAX_KEY_PARTS = 16
"""Most parts shown of a key that is a tuple."""

_AS_IS = frozenset({NoneType, bool, int})

_decoder = msgspec.msgpack.Decoder()


def render(data: bytes, *, max_items: int = MAX_ITEMS, max_text: int = MAX_TEXT) -> JsonValue:
    """Return State bytes as a JSON-compatible value, without the class.

    Bytes become base64, times ISO 8601, infinite numbers and keys text; long lists, dicts and
    texts end with a note of how much is left out.

    Args:
        data: As `StateCodec.encode` made it, or anything.
        max_items: Most values shown.
        max_text: Longest text shown, in characters.

    Raises:
        StateError: `data` is no msgpack, or nested deeper than `DEPTH_LIMIT` and a little.
    """
    try:
        value = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StateError("(whole)", "State bytes", f"other data: {error}") from error
    return _Rendering(max_items, max_text).show(value, 0)


class _Rendering:
    """One rendering, with what is left of its bounds."""

    def __init__(self, max_items: int, max_text: int) -> None:
        self._left = max_items
        self._max_text = max_text

    def show(self, value: Any, depth: int) -> JsonValue:
        self._left -= 1
        kind = type(value)
        if kind in _AS_IS:
            return value
        if kind is dict:
            return self._dict(value, self._below(depth))
        if kind is list or kind is tuple:
            return self._list(value, self._below(depth))
        return self._scalar(value)

    def _scalar(self, value: object) -> JsonValue:
        shown: JsonValue = value
        match value:
            case float() if not math.isfinite(value):
                shown = str(value)
            case str():
                shown = self._text(value)
            case bytes():
                whole = value[: self._max_text]
                shown = self._text(base64.b64encode(whole).decode(), len(value))
            case dt.datetime():
                shown = value.isoformat()
            case msgspec.msgpack.Ext():
                shown = f"extension {value.code}"
            case _:
                pass
        return shown

    def _below(self, depth: int) -> int:
        if depth >= DEPTH_LIMIT:
            raise StateError("(whole)", f"nesting of at most {DEPTH_LIMIT}", "more below")
        return depth + 1

    def _text(self, text: str, size: int | None = None) -> str:
        if len(text) <= self._max_text:
            return text
        unit = "characters" if size is None else "bytes"
        return f"{text[: self._max_text]}… ({len(text) if size is None else size} {unit})"

    def _list(self, items: Any, depth: int) -> list[JsonValue]:
        shown = [self.show(item, depth) for item in self._take(items)]
        if len(shown) < len(items):
            shown.append(f"… {len(items) - len(shown)} more")
        return shown

    def _dict(self, items: dict[Any, Any], depth: int) -> dict[str, JsonValue]:
        shown: dict[str, JsonValue] = {}
        taken = 0
        for key in self._take(items):
            shown[self._key(key, depth)] = self.show(items[key], depth)
            taken += 1
        if taken < len(items):
            shown["…"] = f"{len(items) - taken} more"
        return shown

    def _take(self, items: Any) -> Any:
        for item in items:
            if self._left <= 0:
                return
            yield item

    def _key(self, key: Any, depth: int) -> str:
        if isinstance(key, tuple):
            below = self._below(depth)
            return f"({', '.join(self._key(part, below) for part in islice(key, MAX_KEY_PARTS))})"
        shown = self._scalar(key)
        return shown if isinstance(shown, str) else str(shown)
