"""Errors cross processes and the network and are themselves again."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model import errors
from paglets.model.errors import (
    BusyError,
    ConflictError,
    HandlerError,
    HookError,
    InvalidNameError,
    MailboxFullError,
    NotFoundError,
    PagletsError,
    StateError,
    UnavailableError,
    error_classes,
)
from paglets.wire.failures import (
    TRACEBACK_LIMIT_BYTES,
    Failure,
    decode_failure,
    encode_failure,
    error_body,
    handler_error,
    parse_error_body,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def make(cls, message, detail):
    return decode_failure(Failure(cls.code, message, detail))


@given(st.sampled_from(sorted(error_classes())), st.text(), st.dictionaries(st.text(), json_values))
def test_every_class_of_ours_is_the_same_class_on_the_other_side(code, message, detail):
    error = make(error_classes()[code], message, detail)

    there = parse_error_body(error_body(error), error.status)

    assert type(there) is error_classes()[code]
    assert (there.message, str(there), there.detail) == (message, message, detail)
    assert encode_failure(there) == encode_failure(error)


def test_a_class_with_a_constructor_of_its_own_crosses_with_its_attributes():
    error = decode_failure(encode_failure(StateError("hits[3].line", "int", "'x' (str)")))
    assert isinstance(error, StateError)
    assert (error.field, error.expected) == ("hits[3].line", "int")
    assert str(error) == "state field hits[3].line: expected int, found 'x' (str)"
    assert isinstance(
        decode_failure(encode_failure(InvalidNameError("host name", "a b"))), InvalidNameError
    )


def test_a_deadline_is_a_timeout_error_after_the_crossing_too():
    with pytest.raises(TimeoutError, match="30 s"):
        raise decode_failure(Failure("message_expired", "waited 30 s"))


def test_a_detail_json_cannot_hold_becomes_its_repr_cut_to_a_limit():
    class Rude:
        def __repr__(self):
            raise KeyError

    detail = encode_failure(
        PagletsError("x", a={1}, b=Rude(), c="y" * 3, d={"k": object}, e=[b"z" * 999])
    ).detail
    assert detail["a"] == "{1}"
    assert "__repr__ raised" in detail["b"]
    assert detail["c"] == "yyy"
    assert detail["d"].startswith("{'k': <class")
    assert len(detail["e"]) == 200


def test_a_detail_may_have_any_name():
    error = decode_failure(Failure("busy", "m", {"message": 1, "self": 2, "code": 3, "detail": 4}))
    assert isinstance(error, BusyError)
    assert (error.message, error.code) == ("m", "busy")
    assert error.detail == {"message": 1, "self": 2, "code": 3, "detail": 4}


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (404, NotFoundError),
        (409, ConflictError),
        (503, UnavailableError),
        (None, PagletsError),
        (418, PagletsError),
    ],
)
def test_a_code_of_a_newer_version_becomes_the_nearest_class_and_keeps_the_code(status, cls):
    error = decode_failure(Failure("quota_of_moons", "no moon left", {"left": 0}), status)
    assert type(error) is cls
    assert error.status == (status if status in {404, 409, 503} else 500)
    assert error.detail == {"left": 0, "code": "quota_of_moons"}


def test_an_authors_subclass_crosses_as_the_class_it_extends():
    class OurMailboxFullError(MailboxFullError):
        pass

    assert (
        type(decode_failure(encode_failure(OurMailboxFullError("full", retry_after=2))))
        is MailboxFullError
    )
    assert error_classes()["mailbox_full"] is MailboxFullError


class RudeError(Exception):
    def __str__(self):
        raise ZeroDivisionError


def caught(raise_it):
    try:
        raise_it()
    except BaseException as error:
        return error
    raise AssertionError


def test_a_handlers_exception_arrives_with_type_message_and_traceback():
    def handler():
        int("seven")

    error = decode_failure(encode_failure(caught(handler)))
    assert type(error) is HandlerError
    assert error.exception_type == "ValueError"
    assert error.exception_message == "invalid literal for int() with base 10: 'seven'"
    assert 'int("seven")' in error.traceback_text
    assert "ValueError: invalid literal" in str(error)


def test_the_type_of_an_authors_exception_is_told_with_its_module():
    error = handler_error(RudeError())
    assert error.exception_type == f"{__name__}.RudeError"
    assert error.exception_message == "<RudeError.__str__ raised>"


def test_a_hooks_exception_names_the_hook():
    error = decode_failure(encode_failure(handler_error(KeyError("k"), hook="on_arrival")))
    assert type(error) is HookError
    assert error.hook == "on_arrival"
    assert str(error).startswith("on_arrival raised KeyError: 'k'")


def test_a_long_traceback_keeps_its_end():
    def deep(n):
        if n:
            deep(n - 1) if n % 2 else other(n - 1)
        raise ValueError("é" * 20_000 + "the end")

    def other(n):
        deep(n)

    text = handler_error(caught(lambda: deep(60))).traceback_text
    assert len(text.encode()) <= TRACEBACK_LIMIT_BYTES
    assert text.rstrip().endswith("the end")


def test_text_with_lone_surrogates_still_crosses():
    error = parse_error_body(error_body(OSError("bad name \udcff")), 422)
    assert "bad name \\udcff" in error.exception_message


def test_keyboard_interrupt_and_exit_cross_like_other_exceptions():
    assert decode_failure(encode_failure(SystemExit(3))).exception_type == "SystemExit"


def test_the_body_is_an_error_object_with_three_members():
    assert json.loads(error_body(BusyError("it moves", verb="dispatch"))) == {
        "error": {"code": "busy", "message": "it moves", "detail": {"verb": "dispatch"}}
    }


@given(
    st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()),
    st.sampled_from([400, 404, 500, 502, 599]),
)
def test_a_body_that_is_none_of_ours_is_an_error_of_that_status(data, status):
    error = parse_error_body(data, status)
    assert isinstance(error, PagletsError)
    assert str(status) in str(error)
    assert error.http_status == status


@pytest.mark.parametrize(
    "data",
    [b"[" * 10_000, b'{"error": {"code": "busy", "message": "m", "detail": ' + b"[" * 10_000],
)
def test_a_deeply_nested_body_is_an_error_of_its_status(data):
    assert parse_error_body(data, 409).status == 409


def test_the_documented_tree_is_every_error_that_crosses_the_wire():
    documented = set(re.findall(r"(?:[├└]── |^    )(\w+Error)\b", errors.__doc__, re.MULTILINE))
    assert documented == {cls.__name__ for cls in error_classes().values()}
