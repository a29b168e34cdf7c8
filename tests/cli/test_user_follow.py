"""Following the journals of a mesh while hosts come, end and return; on a virtual clock."""

import asyncio
from collections.abc import Callable

import pytest

from paglets.cli.userfollow import Begin, Follower
from paglets.model.enums import Severity
from paglets.model.errors import HostUnreachableError
from paglets.model.refs import PagletProxyRef
from paglets.system.user_info.contract import Lines, Notice, Reading
from paglets.system.user_info.journal import Bounds, Journal, JournalState
from paglets.testing.clock import elapse, run_virtual
from paglets.wire.bodies import ServiceBody


class FakeHost:
    """A host with a journal; `tell` wakes followers as ContextEvents do."""

    def __init__(self, name: str, bounds: Bounds | None = None) -> None:
        self.name = name
        self.is_up = self.is_known_up = True
        self.bounds = bounds
        self.news = 0
        self.reads = 0
        self.restart(f"journal-of-{name}")

    def restart(self, journal: str) -> None:
        self.journal = Journal(JournalState(journal), self.bounds)

    def tell(self, title: str, *, has_event: bool = True) -> None:
        self.journal.notify(Notice(title, severity=Severity.INFO), None, 5.0)
        self.news += has_event

    def require_up(self) -> None:
        if not self.is_up:
            raise HostUnreachableError(f"no answer from {self.name}")


class FakeJournals:
    def __init__(self, *hosts: FakeHost) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.is_up = True

    def _of(self, provider: ServiceBody) -> FakeHost:
        return self.hosts[provider.host_name]

    async def providers(self):
        if not self.is_up:
            raise HostUnreachableError("no answer from the entry host")
        return [
            ServiceBody(name="user-info", version="1", host_name=host.name,
                        provider=PagletProxyRef(f"http://{host.name}", "user-info"))
            for host in self.hosts.values() if host.is_known_up
        ]  # fmt: skip

    async def online(self):
        return {host.name for host in self.hosts.values() if host.is_known_up}

    async def last_news(self, provider):
        self._of(provider).require_up()
        return self._of(provider).news

    async def news(self, provider, after):
        host = self._of(provider)
        while True:
            await elapse(0.01)
            host.require_up()
            if host.news > after:
                after = host.news
                yield

    async def read(self, provider, reading):
        host = self._of(provider)
        host.require_up()
        host.reads += 1
        return host.journal.page(reading, host.name)


class Ear:
    """Keeps what a follower tells."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.said: list[str] = []

    async def told(self, provider, page, entries) -> None:
        self.heard += [f"{page.host}: {each.title or each.text}" for each in entries]

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def alpha() -> FakeHost:
    return FakeHost("alpha")


@pytest.fixture
def beta() -> FakeHost:
    return FakeHost("beta")


def follow(
    journals: FakeJournals,
    *steps: Callable[[], object],
    begin: Begin = Begin.UNREAD,
    wanted: Reading | None = None,
) -> Ear:
    """Follow for five virtual seconds before, between and after the steps."""
    ear = Ear()

    async def story() -> None:
        follower = Follower(journals, ear, wanted or Reading(reader="ann"), begin)
        task = asyncio.create_task(follower.run())
        for step in (*steps, lambda: None):
            await elapse(5)
            step()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(story())
    return ear


def test_what_is_unread_comes_first_and_news_as_they_are_told(alpha, beta):
    alpha.tell("before")
    ear = follow(FakeJournals(alpha, beta), lambda: beta.tell("one"), lambda: alpha.tell("two"))

    assert ear.heard == ["alpha: before", "beta: one", "alpha: two"]
    assert ear.said == []


def test_what_one_event_stands_for_is_told_too(alpha):
    def tell_twice() -> None:
        alpha.tell("one")
        asyncio.get_running_loop().call_later(0.3, lambda: alpha.tell("two", has_event=False))

    assert follow(FakeJournals(alpha), tell_twice).heard == ["alpha: one", "alpha: two"]


def test_a_journal_that_does_not_grow_is_not_read(alpha):
    follow(FakeJournals(alpha), *[lambda: None] * 20)

    assert alpha.reads == 1


def test_from_now_on_leaves_out_what_there_was(alpha):
    alpha.tell("before")
    ear = follow(FakeJournals(alpha), lambda: alpha.tell("one"), begin=Begin.NOW)

    assert ear.heard == ["alpha: one"]


def test_all_begins_with_the_oldest_that_is_kept(alpha):
    alpha.tell("before")
    alpha.journal.acknowledge(_ack("journal-of-alpha", 1))

    assert follow(FakeJournals(alpha)).heard == []
    assert follow(FakeJournals(alpha), begin=Begin.ALL).heard == ["alpha: before"]


def _ack(journal: str, through: int):
    from paglets.system.user_info.contract import Acknowledge

    return Acknowledge("ann", journal, through)


def test_a_host_that_ends_does_not_keep_the_others_from_being_followed(alpha, beta):
    def end_beta() -> None:
        beta.is_up = False

    ear = follow(FakeJournals(alpha, beta), end_beta, lambda: alpha.tell("goes on"))

    assert ear.heard == ["alpha: goes on"]
    assert ear.said == ["lost beta, trying again: no answer from beta"]


def test_a_host_that_returns_is_read_on_where_it_was_left(alpha, beta):
    beta.tell("one")

    def end_beta() -> None:
        beta.tell("two", has_event=False)
        beta.is_up = beta.is_known_up = False

    def start_beta() -> None:
        beta.is_up = beta.is_known_up = True
        beta.tell("three")

    ear = follow(FakeJournals(alpha, beta), end_beta, start_beta)

    assert ear.heard == ["beta: one", "beta: two", "beta: three"]
    assert ear.said[-1] == "beta is back"
    assert len(ear.said) == 2


def test_a_host_that_is_silent_is_lost_as_soon_as_the_mesh_says_so(alpha, beta):
    def hide_beta() -> None:
        beta.is_known_up = False

    def show_beta() -> None:
        beta.is_known_up = True
        beta.tell("heard again")

    ear = follow(FakeJournals(alpha, beta), hide_beta, show_beta)

    assert ear.said == ["lost beta, trying again: the mesh says that it is away", "beta is back"]
    assert ear.heard == ["beta: heard again"]


def test_a_host_that_joins_later_is_followed_too(alpha, beta):
    journals = FakeJournals(alpha)

    def join() -> None:
        journals.hosts["beta"] = beta
        beta.tell("new here")

    assert follow(journals, join).heard == ["beta: new here"]


def test_a_new_journal_of_a_known_host_is_told_from_its_beginning(alpha):
    alpha.tell("one")
    alpha.tell("two")

    def begin_anew() -> None:
        alpha.restart("another")
        alpha.tell("first")

    ear = follow(FakeJournals(alpha), begin_anew)

    assert ear.heard == ["alpha: one", "alpha: two", "alpha: first"]
    assert ear.said == ["alpha has begun a new journal; the old one is gone"]


def test_what_was_dropped_while_nobody_read_is_counted_aloud():
    alpha = FakeHost("alpha", Bounds(notices=2))
    alpha.tell("one")

    def end() -> None:
        alpha.is_up = False

    def start() -> None:
        for number in range(5):
            alpha.tell(f"late {number}")
        alpha.is_up = True

    ear = follow(FakeJournals(alpha), end, start)

    assert ear.heard == ["alpha: one", "alpha: late 3", "alpha: late 4"]
    assert "alpha: 3 entries were dropped before they could be read" in ear.said


def test_an_entry_host_that_is_away_is_asked_again_and_again(alpha):
    journals = FakeJournals(alpha)

    def end() -> None:
        journals.is_up = False

    def start() -> None:
        journals.is_up = True
        journals.hosts["beta"] = FakeHost("beta")
        journals.hosts["beta"].tell("there")

    ear = follow(journals, end, start)

    assert ear.said == ["cannot ask for the hosts, trying again: no answer from the entry host"]
    assert ear.heard == ["beta: there"]


def test_only_the_streams_that_are_wanted_are_told(alpha):
    def write() -> None:
        alpha.journal.append(Lines("log", ["a", "b"]), None, 5.0)
        alpha.journal.append(Lines("other", ["c"]), None, 5.0)
        alpha.tell("title")

    wanted = Reading(notifications=False, streams=["log"])

    assert follow(FakeJournals(alpha), write, wanted=wanted).heard == ["alpha: a", "alpha: b"]
