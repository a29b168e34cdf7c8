"""Requests and replies of services are checked by both sides, and the one at fault is named."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import pytest

from paglets import (
    InvalidRequestError,
    Message,
    Paglet,
    PagletInactiveError,
    ServiceReplyError,
    provides,
)
from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.servicecalls import (
    decode_request,
    decode_result,
    encode_request,
    encode_result,
    result_of,
)
from paglets.wire.hostcalls import SendReply

T = TypeVar("T")


@dataclass
class Hit:
    path: Path
    line: int = 0
    found_at: datetime | None = None


@dataclass
class Query:
    text: str
    limits: list[int] = field(default_factory=list)
    near: Hit | None = None
    weights: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.text == "bad":
            raise KeyError("no such word")


@dataclass
class Page(Generic[T]):
    items: list[T]


SEARCH = ServiceOperation("search", Query, list[Hit])
LOOK = ServiceOperation("look", Query, Hit)
PAGE = ServiceOperation("page", Page[int], Page[Hit])
RATE = ServiceOperation("rate", Query, float)
NOTE = ServiceOperation("note", Query, type(None))


def args_of(request):
    return encode_request(SEARCH, request).args


def test_a_request_arrives_as_it_was_made():
    request = Query("x", [1, 2], Hit(Path("/a"), 3, datetime(2026, 1, 2, tzinfo=UTC)), {1: 0.5})
    message = encode_request(SEARCH, request)
    assert message.kind == "search"
    assert decode_request(SEARCH, message.args) == request


def test_a_generic_request_and_reply_keep_their_type():
    assert decode_request(PAGE, encode_request(PAGE, Page([1])).args) == Page([1])
    data = encode_result(PAGE, Page([Hit(Path("a"))]), "P.page")
    assert decode_result(PAGE, bytes(data), "p") == Page([Hit(Path("a"))])


def test_a_request_of_another_class_is_the_callers_mistake():
    with pytest.raises(TypeError, match="search takes a Query, not a Hit"):
        encode_request(SEARCH, Hit(Path("a")))


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (Query(5), "text"),
        (Query("x", [1, "2"]), "limits[1]"),
        (Query("x", near=Hit(Path("a"), "3")), "near.line"),
        (Query("x", weights={1: "heavy"}), "weights[...]"),
    ],
)
def test_a_field_that_does_not_fit_is_named_before_anything_is_sent(request_, place):
    with pytest.raises(InvalidRequestError, match="the request of operation search") as raised:
        encode_request(SEARCH, request_)
    assert (raised.value.operation, raised.value.field) == ("search", place)


@pytest.mark.parametrize(
    ("args", "place", "text"),
    [
        ({}, "text", "field text: it is missing"),
        ({"text": "x", "near": {}}, "near.path", "field near.path: it is missing"),
        ({"text": 7}, "text", "Expected `str`, got `int`"),
        ({"text": "bad"}, "", "no such word"),
        ({"text": "x", "near": {"path": 7}}, "near.path", "Expected `Path`, got `int`"),
    ],
)
def test_a_provider_names_operation_and_field_of_a_request_that_does_not_fit(args, place, text):
    with pytest.raises(InvalidRequestError) as raised:
        decode_request(SEARCH, args)
    assert text in raised.value.message
    assert (raised.value.operation, raised.value.field) == ("search", place)


def test_fields_a_provider_does_not_know_are_passed_over():
    assert decode_request(SEARCH, {"text": "x", "added": 1}) == Query("x")


def test_a_request_in_itself_is_refused():
    hit = Hit(Path("a"))
    hit.line = hit
    with pytest.raises(InvalidRequestError, match="nested too deep"):
        encode_request(SEARCH, Query("x", near=hit))


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        (SEARCH, [Hit(Path("/a"), 1, datetime(2026, 1, 2, tzinfo=UTC))]),
        (SEARCH, []),
        (LOOK, Hit(Path("a"))),
        (RATE, 0.5),
        (RATE, 3),
        (NOTE, None),
    ],
)
def test_a_reply_that_fits_reaches_its_caller(operation, result):
    assert decode_result(operation, bytes(encode_result(operation, result, "P.m")), "p") == result


@pytest.mark.parametrize(
    ("operation", "result", "place", "text"),
    [
        (LOOK, {"path": "a"}, "", "it is a dict instead of a Hit"),
        (LOOK, Hit(Path("a"), "1"), "line", "Expected `int`, got `str`"),
        (SEARCH, [Hit(Path("a")), None], "[1]", "got `null`"),
        (SEARCH, None, "", "got `null`"),
        (RATE, "much", "", "got `str`"),
        (RATE, float("nan"), "", "got `null`"),
        (NOTE, 1, "", "got `int`"),
        (SEARCH, [object()], "", "object is not JSON-compatible"),
    ],
)
def test_a_reply_that_does_not_fit_is_held_back_and_blames_the_provider(
    operation, result, place, text
):
    with pytest.raises(ServiceReplyError) as raised:
        encode_result(operation, result, "Searcher.find")
    error = raised.value
    assert error.message.startswith(
        f"Searcher.find broke the contract of operation {operation.name}"
    )
    assert text in error.message
    assert (error.operation, error.field, error.provider) == (
        operation.name,
        place,
        "Searcher.find",
    )


def test_a_reply_of_a_provider_with_other_code_is_checked_by_the_caller_too():
    with pytest.raises(ServiceReplyError, match=r"a1 on beta broke .* field line: Expected `int`"):
        decode_result(LOOK, b'{"path":"a","line":"1"}', "a1 on beta")
    with pytest.raises(ServiceReplyError, match="a1 on beta"):
        decode_result(LOOK, b"no json", "a1 on beta")


def test_a_provider_that_moved_instead_of_answering_is_to_blame():
    with pytest.raises(ServiceReplyError, match="moved to another host instead"):
        result_of(LOOK, SendReply(moved=True), "a1 on beta")


def test_a_call_that_a_sleeping_provider_stored_is_no_reply():
    with pytest.raises(PagletInactiveError, match=r"a1 on beta is asleep .* look is stored"):
        result_of(LOOK, SendReply(stored=True), "a1 on beta")


class Searcher(Paglet[None]):
    services = (ServiceContract("searcher", [SEARCH, LOOK]),)

    @provides(SEARCH)
    def search(self, request: Query) -> list[Hit]:
        return [Hit(Path(request.text))]

    @provides(LOOK)
    async def look(self, request: Query) -> Hit:
        return request.text  # type: ignore[return-value]


def routed(message):
    route = Searcher.routes.find(message)
    return route.call(Searcher.__new__(Searcher), message)


def test_a_provides_method_gets_a_checked_request_and_gives_json():
    reply = routed(Message("search", {"text": "a"}))
    assert isinstance(reply, msgspec.Raw)
    assert decode_result(SEARCH, bytes(reply), "p") == [Hit(Path("a"))]
    with pytest.raises(InvalidRequestError, match="operation search does not fit: field text"):
        routed(Message("search", {"text": 1}))


async def test_an_async_provides_method_is_checked_when_it_has_answered():
    with pytest.raises(ServiceReplyError, match=r"Searcher\.look broke the contract"):
        await routed(Message("look", {"text": "a"}))


@pytest.mark.parametrize("request_type", [int, dict, list[int]])
def test_a_request_type_is_a_dataclass(request_type):
    with pytest.raises(TypeError, match="the request of operation x is a dataclass"):
        ServiceOperation("x", request_type, int)


@pytest.mark.parametrize("version", ["", "1/2", "a b"])
def test_a_version_is_a_name(version):
    with pytest.raises(InvalidRequestError, match="service version"):
        ServiceContract("x", [], version)


def test_a_contract_has_a_bounded_number_of_operations():
    operations = [ServiceOperation(f"o{number}", Query, int) for number in range(33)]
    with pytest.raises(ValueError, match="more than 32"):
        ServiceContract("x", operations)
