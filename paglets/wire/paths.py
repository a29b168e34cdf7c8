"""`pathlib.Path`, the one type State may hold that msgspec does not carry by itself.

File names are bytes on POSIX, and not always UTF-8: those that are travel as text, the others as
bytes, so that a paglet that walks a disk can keep any name it meets. JSON has no bytes; there such
a name is an error. Used by `wire/codec.py` and `wire/jsonvalues.py`.
"""

import os
from pathlib import Path


def encode_path(value: object) -> str | bytes:
    """Return a path for msgpack: text, or bytes where the name is no UTF-8.

    Raises:
        TypeError: `value` is no path; msgspec calls this for every type it does not know.
    """
    if not isinstance(value, Path):
        raise TypeError(f"a {type(value).__name__} cannot be encoded")
    text = str(value)
    return os.fsencode(text) if _has_surrogate(text) else text


def encode_for_json(value: object) -> object:
    """Return what JSON carries for a path, or for a subclass of str, int or float.

    Raises:
        TypeError: `value` is none of these.
    """
    if isinstance(value, Path | str):
        return str.__str__(value) if isinstance(value, str) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"a {type(value).__name__} is not JSON-compatible")


def decode_path(expected: type, value: object) -> object:
    """Return the path that `encode_path` or a person wrote as `value`.

    Raises:
        TypeError: `value` is neither text nor bytes; msgspec adds the place.
    """
    if isinstance(value, expected):
        return value
    if expected is Path and isinstance(value, str):
        return Path(value)
    if expected is Path and isinstance(value, bytes):
        return Path(os.fsdecode(value))
    raise TypeError(f"Expected `{expected.__name__}`, got `{type(value).__name__}`")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
