"""The annotations State may have without parts, and what to say of those it may not have.

Tables for `wire/schema.py`.
"""

import datetime as dt
import decimal
import uuid
from types import NoneType

from msgspec import inspect as ms

from paglets.wire.shapes import Float, Leaf, Shape, Time

LEAVES: dict[type[ms.Type], Shape] = {
    ms.NoneType: Leaf("None", NoneType),
    ms.BoolType: Leaf("bool", bool),
    ms.IntType: Leaf("int", int),
    ms.FloatType: Float("float", frozenset({float, int})),
    ms.StrType: Leaf("str", str),
    ms.BytesType: Leaf("bytes", bytes),
    ms.ByteArrayType: Leaf("bytearray", bytearray),
    ms.DateTimeType: Leaf("datetime", dt.datetime),
    ms.DateType: Leaf("date", dt.date),
    ms.TimeType: Time("time (naive, or with an offset of whole minutes)", frozenset({dt.time})),
    ms.TimeDeltaType: Leaf("timedelta", dt.timedelta),
    ms.UUIDType: Leaf("UUID", uuid.UUID),
    ms.DecimalType: Leaf("Decimal", decimal.Decimal),
}
"""The shape of each annotation without parts, by what msgspec reads it as."""

TRANSIENT = (
    "use plain values, dataclasses and collections of them, or keep it as an ordinary attribute "
    "of the paglet: those are transient"
)
"""What helps where nothing more particular does."""

UNFIT: dict[object, str] = {
    object: "annotate Any for JSON-compatible values, or the exact type",
    complex: "use tuple[float, float]",
    ms.NamedTupleType: "make it a dataclass: a NamedTuple is stored by position, and its values "
    "would change places with its class",
    ms.TypedDictType: "make it a dataclass",
    ms.StructType: "make it a dataclass",
    ms.MemoryViewType: "use bytes",
    ms.RawType: "use bytes",
}
"""What to write instead, by class or by what msgspec reads an annotation as."""
