"""State as bytes and back: what is committed, moves and wakes again.

State bytes are msgpack of the dataclass's fields by name, so a host can show them without the
class (`wire/render.py`) and an older state still fits a class that has grown. `StateCodec` runs
where the class is: in a Paglet Process, or a client that has imported it. Nothing here stores,
sends or locks; the caller holds the state lock while it encodes.

`wire/schema.py` says which annotations are allowed, `wire/shapes.py` checks values quickly,
`wire/places.py` names the place when one does not fit.
"""

import difflib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

import msgspec

from paglets.model.errors import StateError
from paglets.model.message import require_json
from paglets.wire.jsonvalues import decode_json_value
from paglets.wire.paths import decode_path, encode_for_json, encode_path
from paglets.wire.places import decode_error, find_unknown, locate, misfit_error
from paglets.wire.schema import shape_of
from paglets.wire.shapes import Fields, Leaf, Shape, TooDeepError

S = TypeVar("S")

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_path)
_json_encoder = msgspec.json.Encoder()
_untyped = msgspec.msgpack.Decoder()

_UNENCODABLE = (ValueError, TypeError, OverflowError)  # lone surrogates, big ints, year 0
_UNDECODABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Decoded(Generic[S]):
    """A restored state, and what the bytes had beyond its class."""

    state: S
    dropped: tuple[str, ...] = ()
    """Dotted paths of stored fields that the class no longer has, such as `hits[].column`."""


class StateCodec(Generic[S]):
    """Encodes and decodes the State of one class; made by `for_class`, safe in threads.

    Beyond dataclasses, plain values and collections of them, `Any` (and bare `list`, `dict`) means
    JSON-compatible values: None, bool, int, float, str, list, dict with text keys; these come back
    as they were. Members of a bare `set` and `frozenset` are text, numbers and None. `object` is
    refused, as it promises more than can be kept. An annotation `Sequence[X]` means a list,
    `Mapping[K, V]` a dict. A float field takes an int that is the same number. What
    `__post_init__` changes on restore is the author's wish and not compared.
    """

    def __init__(self, shape: Shape, annotation: object) -> None:
        self._shape = shape
        self._decoder = msgspec.msgpack.Decoder(annotation, dec_hook=decode_path)
        self._annotation: Any = annotation
        self._recursive = isinstance(shape, Fields) and shape.bottomless

    @staticmethod
    def for_class(state_class: type[S] | None) -> "StateCodec[S]":
        """Return the codec for a State class, or for no state at all; cached.

        Raises:
            ClassLoadError: The class cannot be a State; the message names the field and what to
                write instead.
        """
        return _codec_for(cast("Hashable", state_class))

    def encode(self, state: S) -> bytes:
        """Return `state` as bytes; its values are checked, `snapshot` also tries them.

        Raises:
            StateError: A value does not fit its annotation, or cannot be carried.
        """
        try:
            fits = self._shape.fits([state], 0)
        except (TooDeepError, RuntimeError) as error:
            raise self._misfit(state, error) from error
        if not fits:
            raise misfit_error(self._shape, state)
        try:
            return _encoder.encode(state)
        except _UNENCODABLE as error:
            raise locate(self._shape, state, _cannot_encode) from error

    def snapshot(self, state: S) -> bytes:
        """Return `state` as bytes that are known to decode, for a commit or a move.

        Called under the state lock at every checkpoint, reply (durability MESSAGE) and move.

        Raises:
            StateError: As `encode`; or the class itself refuses the values when they are decoded,
                as a `__post_init__` that raises. What was committed before stays.
        """
        data = self.encode(state)
        self._decode(data)
        return data

    def decode(self, data: bytes | memoryview) -> S:
        """Return the state in `data`; unknown fields are dropped, missing ones take defaults.

        Raises:
            StateError: The bytes do not fit the class.
        """
        return self._decode(data)

    def decode_reporting(self, data: bytes) -> Decoded[S]:
        """Return the state in `data` and the stored fields that its class no longer has.

        Raises:
            StateError: The bytes do not fit the class.
        """
        state = self._decode(data)
        try:
            if _encoder.encode(state) == data:
                return Decoded(state)
        except _UNDECODABLE:
            pass  # its __post_init__ made something of it that is told at the next snapshot
        found: dict[str, Fields] = {}
        try:
            find_unknown(self._shape, [_untyped.decode(data)], "", found)
        except _UNDECODABLE as error:
            raise decode_error(self._shape, error) from error
        return Decoded(state, tuple(sorted(found)))

    def from_json(self, data: bytes) -> S:
        """Return the state a person wrote as JSON; missing fields take their defaults.

        Bytes are base64 text, dates ISO 8601, enums their values. `b"{}"` makes a fresh state.

        Raises:
            StateError: A value does not fit, or the class has no such field.
            InvalidRequestError: It is no JSON, or nested too deep.
        """
        raw = decode_json_value(data, "state")
        if self._annotation is None and raw == {}:
            raw = None
        found: dict[str, Fields] = {}
        find_unknown(self._shape, [raw], "", found)
        for path, shape in sorted(found.items()):
            raise _unknown_field(path, shape)
        try:
            state: S = msgspec.convert(raw, self._annotation, dec_hook=decode_path, str_keys=True)
        except Exception as error:  # __post_init__ is the author's and may raise anything
            raise decode_error(self._shape, error) from error
        self.encode(state)
        return state

    def to_json(self, state: S) -> bytes:
        """Return `state` as JSON that `from_json` reads.

        Raises:
            StateError: It does not fit, or has what JSON cannot hold: an infinite number, a tuple
                as a key, a file name that is no UTF-8.
        """
        # Through its bytes, where times are UTC: JSON rounds old zones' offsets to whole minutes.
        state = self.decode(self.encode(state))
        try:
            raw = msgspec.to_builtins(state, str_keys=True, enc_hook=encode_for_json)
            require_json(raw, "state")
            return _json_encoder.encode(raw)
        except (TypeError, ValueError) as error:
            raise StateError(self._shape.label, "a state that JSON can hold", str(error)) from error

    def _decode(self, data: bytes | memoryview) -> S:
        try:
            state: S = self._decoder.decode(data)
        except RecursionError as error:
            raise StateError(self._shape.label, "nesting of at most 64", "more below") from error
        except Exception as error:  # __post_init__ is the author's and may raise anything
            raise decode_error(self._shape, error) from error
        if self._recursive:
            try:
                self._shape.fits([state], 0)
            except TooDeepError as error:
                raise misfit_error(self._shape, state) from error
        return state

    def _misfit(self, state: S, error: Exception) -> StateError:
        if isinstance(error, TooDeepError):
            return misfit_error(self._shape, state)
        return StateError(
            self._shape.label,
            "a state at rest",
            f"one that changed meanwhile ({error}); change it in locked_state() only",
        )


@lru_cache(maxsize=256)
def _codec_for(state_class: Hashable) -> StateCodec[Any]:
    if state_class is None:
        return StateCodec(Leaf("None", type(None)), None)
    return StateCodec(shape_of(cast("type", state_class)), state_class)


def _cannot_encode(_shape: Shape, value: object) -> bool:
    try:
        _encoder.encode(value)
    except _UNENCODABLE:
        return True
    return False


def _unknown_field(path: str, shape: Fields) -> StateError:
    name = path.rpartition(".")[2]
    near = difflib.get_close_matches(name, shape.fields, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    known = ", ".join(shape.fields) or "no fields at all"
    return StateError(
        path, f"one of the fields of {shape.label} ({known})", f"an unknown one{hint}"
    )
