"""Order, one at a time, expiry and bounds of a paglet's mailbox."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Limits
from paglets.model.enums import Priority
from paglets.model.errors import MessageExpiredError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import AGENTS, PATIENCE
from tests.process.messages.raw import RawApi

CLIENTS = 50
EACH = 20
"""Messages of each client."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(2, agents=AGENTS, limits=Limits(connections=256)) as running:
        yield running


@pytest.fixture
def clerk(mesh: LocalMesh) -> PagletProxy:
    return mesh.client().create("queueing:Clerk")


def beside(kind: str) -> Message:
    return Message(kind, priority=Priority.UNQUEUED)


def note(text: str, priority: int = Priority.NORMAL) -> Message:
    return Message("note", {"text": text}, priority=priority)


def blocked(clerk: PagletProxy) -> None:
    """Let a handler wait inside, so that all that comes is queued."""
    clerk.send_future(Message("block"), timeout=60)
    wait_until(lambda: clerk.send(beside("most")) == 0, timeout=PATIENCE, what="it answers")


def wait_queued(clerk: PagletProxy, count: int) -> None:
    wait_until(
        lambda: clerk.info().queued == count,
        timeout=PATIENCE,
        what=f"{count} are queued",
        story=lambda: str(clerk.info().queued),
    )


@pytest.mark.slow
def test_a_thousand_messages_of_fifty_clients_are_handled_by_priority_and_one_at_a_time(
    mesh: LocalMesh, clerk: PagletProxy
) -> None:
    blocked(clerk)
    start = threading.Barrier(CLIENTS)

    def talk(number: int) -> list[str]:
        proxy = mesh.client("alpha" if number % 2 else "beta").proxy(clerk.ref())
        start.wait(PATIENCE)
        sent = []
        for index in range(EACH):
            text = f"{index % 10 + 1:02d} {number:02d} {index:02d}"
            proxy.send_oneway(note(text, index % 10 + 1))
            sent.append(text)
        return sent

    with ThreadPoolExecutor(CLIENTS) as pool:
        sent = [text for texts in pool.map(talk, range(CLIENTS)) for text in texts]
    wait_queued(clerk, CLIENTS * EACH)
    clerk.send(beside("open"))
    handled = clerk.send(Message("handled", priority=Priority.MIN), timeout=60)
    assert sorted(handled) == sorted(sent), "each exactly once"
    priorities = [int(text.split()[0]) for text in handled]
    assert priorities == sorted(priorities, reverse=True)
    for number in range(CLIENTS):
        mine = [text for text in handled if text.split()[1] == f"{number:02d}"]
        for priority in range(1, 11):
            same = [text for text in mine if int(text.split()[0]) == priority]
            assert same == sorted(same), "first in, first out inside one priority"
    assert clerk.send(Message("most")) == 1, "strictly one at a time"


@pytest.mark.slow
def test_handlers_never_overlap_while_many_clients_wait_for_replies(
    mesh: LocalMesh, clerk: PagletProxy
) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        counts = list(pool.map(lambda n: clerk.send(note(str(n)), timeout=60), range(200)))
    assert sorted(counts) == list(range(1, 201)), "no update is lost"
    assert clerk.send(Message("most")) == 1


def test_an_unqueued_message_is_handled_beside_the_current_one(clerk: PagletProxy) -> None:
    blocked(clerk)
    clerk.send_oneway(note("waits"))
    assert clerk.send(beside("handled")) == []
    clerk.send(beside("open"))
    assert clerk.send(Message("handled")) == ["waits"]


def test_a_message_that_expires_in_the_queue_is_not_handled(clerk: PagletProxy) -> None:
    blocked(clerk)
    with pytest.raises(MessageExpiredError, match="not handled"):
        clerk.send(note("too late"), timeout=0.3)
    clerk.send(beside("open"))
    clerk.send(note("in time"))
    assert clerk.send(Message("handled")) == ["in time"]


def test_a_caller_that_goes_away_takes_its_queued_message_along(
    mesh: LocalMesh, clerk: PagletProxy
) -> None:
    blocked(clerk)
    visitor = mesh.client("beta").proxy(clerk.ref())
    going = visitor.send_future(note("never mind"), timeout=60)
    wait_queued(clerk, 1)
    going._future.cancel()
    mesh["beta"].client.close()
    mesh["beta"]._forget_clients()
    wait_queued(clerk, 0)
    clerk.send(beside("open"))
    assert clerk.send(Message("handled")) == []


def test_a_oneway_message_waits_as_long_as_it_takes(clerk: PagletProxy) -> None:
    blocked(clerk)
    clerk.send_oneway(note("patient"))
    wait_queued(clerk, 1)
    clerk.send(beside("open"))
    assert clerk.send(Message("handled")) == ["patient"]


@pytest.mark.slow
def test_a_full_mailbox_refuses_at_once_and_a_sender_that_waits_gets_in(
    mesh: LocalMesh, clerk: PagletProxy
) -> None:
    settings = mesh["alpha"].settings
    assert settings.key_file is not None
    api = RawApi(mesh["alpha"].url, settings.key_file)
    blocked(clerk)
    large = {"kind": "note", "args": {"text": "x" * 900_000}, "oneway": True}
    path = f"/agents/{clerk.agent_id}/messages"
    answers = [api.ask("POST", path, large) for _ in range(20)]
    taken = [answer for answer in answers if answer.status == 200]
    assert len(taken) == 18, "16 MiB hold so many"
    for refused in answers[18:]:
        assert (refused.status, refused.code) == (429, "mailbox_full")
        assert float(refused.headers["Retry-After"]) > 0
    waiting = clerk.send_future(Message("note", large["args"]), timeout=PATIENCE)
    assert clerk.info().queued == 18
    clerk.send(beside("open"))
    assert waiting.result(PATIENCE) == 19


@pytest.mark.slow
def test_a_sleeping_paglet_stores_no_more_than_a_mailbox_holds(
    mesh: LocalMesh, clerk: PagletProxy
) -> None:
    settings = mesh["alpha"].settings
    assert settings.key_file is not None
    api = RawApi(mesh["alpha"].url, settings.key_file)
    clerk.deactivate(DeactivationPolicy(activate_on_message=False))
    large = {"kind": "note", "args": {"text": "x" * 900_000}}
    path = f"/agents/{clerk.agent_id}/messages"
    answers = [api.ask("POST", path, large) for _ in range(19)]
    assert [answer.status for answer in answers] == [200] * 18 + [429]
    clerk.activate()
    assert len(clerk.send(Message("handled"), timeout=PATIENCE)) == 18
