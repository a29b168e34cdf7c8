"""What paglets ask of their host: one table for both sides, and every failure is an answer."""

import inspect
from unittest.mock import MagicMock

import msgspec
import pytest

from paglets.model.errors import BusyError, InvalidRequestError, PagletNotFoundError
from paglets.runtime.childactions import ChildActions
from paglets.runtime.childcalls import ChildCalls
from paglets.runtime.childqueries import ChildQueries
from paglets.runtime.published import Published
from paglets.wire import hostcalls as ops
from paglets.wire.calls import HostCall, HostFailed, HostReply
from paglets.wire.failures import decode_failure
from tests.unit.runtime.samples import make_row


def parts(cls):
    return {name: MagicMock() for name in inspect.signature(cls).parameters}


def handlers():
    actions = ChildActions(**parts(ChildActions)).handlers()
    queries = ChildQueries(**parts(ChildQueries)).handlers()
    published = Published(**parts(Published)).handlers()
    assert not actions.keys() & queries.keys() & published.keys()
    return {**actions, **queries, **published}


def test_the_handlers_are_exactly_the_operations():
    assert handlers().keys() == ops.OPERATIONS.keys()


@pytest.mark.parametrize("op", ops.OPERATIONS)
def test_a_handler_takes_and_gives_what_the_table_says(op):
    request, reply = ops.OPERATIONS[op]
    signature = inspect.signature(handlers()[op], eval_str=True)
    body = list(signature.parameters.values())[1]
    assert body.annotation is request
    assert signature.return_annotation is reply


def test_a_missing_handler_is_found_when_the_host_is_composed(bench):
    some = handlers()
    some.pop("send")
    with pytest.raises(AssertionError, match="send"):
        ChildCalls(bench.roster, bench.tasks, some)


class Link:
    agent_id = "tour"

    def __init__(self):
        self.told = []

    def tell(self, frame):
        self.told.append(frame)


async def answer(bench, op="emit", body=b"", handler=None):
    async def done(_paglet, _body, _call):
        return ops.Empty()

    table = dict.fromkeys(ops.OPERATIONS, handler or done)
    link = Link()
    calls = ChildCalls(bench.roster, bench.tasks, table)
    await calls._answer(link, HostCall(call=7, op=op, body=body))
    (told,) = link.told
    assert told.call == 7
    return told


EMPTY = msgspec.msgpack.encode(ops.Empty())


async def test_an_answer_goes_back_under_the_number_of_the_call(bench):
    await bench.put(make_row())
    told = await answer(bench, "watch_queue", EMPTY)
    assert isinstance(told, HostReply)
    assert msgspec.msgpack.decode(told.body, type=ops.Empty) == ops.Empty()


@pytest.mark.parametrize(
    ("op", "body", "error"),
    [
        ("format_disk", EMPTY, InvalidRequestError),
        ("send", b"\xff", Exception),
        ("send", msgspec.msgpack.encode({"to": 1}), Exception),
    ],
)
async def test_a_call_that_is_none_is_answered_with_a_failure(bench, op, body, error):
    await bench.put(make_row())
    told = await answer(bench, op, body)
    assert isinstance(told, HostFailed)
    assert isinstance(decode_failure(told.failure), error)


async def test_a_paglet_that_is_not_here_yet_is_told_so(bench):
    told = await answer(bench, "watch_queue", EMPTY)
    assert isinstance(decode_failure(told.failure), PagletNotFoundError)


async def test_what_a_call_raises_is_raised_in_the_paglet(bench):
    await bench.put(make_row())

    async def busy(_paglet, _body, _call):
        raise BusyError("another verb runs")

    told = await answer(bench, "watch_queue", EMPTY, busy)
    assert isinstance(decode_failure(told.failure), BusyError)
