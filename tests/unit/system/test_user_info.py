"""UserInfoAgent in the test's own process."""

import pytest

from paglets import Durability, Message
from paglets.system.user_info.agent import UserInfoAgent
from paglets.system.user_info.contract import (
    NEWS,
    Acknowledge,
    Lines,
    Notice,
    Page,
    Posted,
    Reading,
    StreamList,
    StreamQuery,
)
from paglets.testing.harness import PagletHarness


@pytest.fixture
def agent():
    with PagletHarness(UserInfoAgent) as harness:
        yield harness


def ask(agent: PagletHarness, kind: str, payload: object, reply: type):
    answer = agent.send(Message.of(payload, kind=kind))
    return Message("reply", answer).decode(reply)


def notify(agent: PagletHarness, title: str) -> Posted:
    return ask(agent, "notify", Notice(title), Posted)


def test_what_was_told_is_read_again(agent):
    posted = notify(agent, "done")
    ask(agent, "append", Lines("log", ["a", "b"]), Posted)

    page = ask(agent, "read", Reading(0), Page)

    assert [entry.title or entry.text for entry in page.entries] == ["done", "a", "b"]
    assert (page.host, page.journal, posted.sequence) == ("alpha", posted.journal, 1)


def test_it_outlives_a_sleep_with_what_was_read(agent):
    first = notify(agent, "one")
    notify(agent, "two")
    ask(agent, "acknowledge", Acknowledge("ann", first.journal, 1), dict)
    agent.deactivate()
    agent.activate("message")

    page = ask(agent, "read", Reading(reader="ann"), Page)

    assert [entry.title for entry in page.entries] == ["two"]
    assert page.journal == first.journal
    assert notify(agent, "three").sequence == 3


def test_streams_are_listed_the_newest_first(agent):
    for name in ("one", "two"):
        ask(agent, "append", Lines(name, ["x"]), Posted)

    found = ask(agent, "streams", StreamQuery(), StreamList)

    assert [(each.name, each.appended) for each in found.streams] == [("two", 1), ("one", 1)]


def test_followers_are_told_of_news_and_not_of_each_line(agent):
    for _ in range(20):
        ask(agent, "append", Lines("log", ["x"]), Posted)

    assert [(event.kind, event.level) for event in agent.events] == [(NEWS, "debug")]


def test_what_it_was_told_is_committed_before_it_answers():
    assert UserInfoAgent.durability is Durability.MESSAGE


def test_two_journals_have_two_ids():
    with PagletHarness(UserInfoAgent) as one, PagletHarness(UserInfoAgent) as two:
        assert notify(one, "x").journal != notify(two, "x").journal
