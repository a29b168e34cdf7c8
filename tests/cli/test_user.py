"""`paglets user …` against two hosts with a journal each."""

import msgspec
import pytest

from paglets.model.enums import Severity
from paglets.model.errors import UnavailableError
from paglets.model.refs import PagletProxyRef
from paglets.system.user_info.contract import (
    USER_INFO,
    Acknowledge,
    Acknowledged,
    Lines,
    Notice,
    Posted,
    Reading,
    StreamList,
)
from paglets.system.user_info.journal import Bounds, Journal, JournalState
from paglets.wire.bodies import ServiceBody
from tests.cli.conftest import parsed

SOURCE = PagletProxyRef("http://alpha:1", "backup", host_name="alpha")


class Desk:
    """The user-info of one host of a FakeMesh."""

    def __init__(self, runtime, bounds: Bounds | None = None) -> None:
        self.journal = Journal(JournalState(f"journal-of-{runtime.name}"), bounds)
        self.state = self.journal._state
        self.name = runtime.name
        self.now = 1e9
        runtime.put("user-info")
        runtime.answers["user-info"] = self.answer
        runtime.services.append(
            ServiceBody(
                name="user-info", version="1", provider=runtime.ref("user-info"),
                operations=USER_INFO.operation_names, host_name=runtime.name,
            )
        )  # fmt: skip

    def tell(self, title: str, severity: Severity = Severity.INFO, text: str = "") -> None:
        self.now += 1
        self.journal.notify(Notice(title, text, severity), SOURCE, self.now)

    def write(self, stream: str, *lines: str) -> None:
        self.now += 1
        self.journal.append(Lines(stream, list(lines)), SOURCE, self.now)

    def answer(self, kind: str, args: bytes) -> object:
        match kind:
            case "notify":
                notice = msgspec.json.decode(args, type=Notice)
                return Posted(self.state.journal, self.journal.notify(notice, None, self.now))
            case "read":
                return self.journal.page(msgspec.json.decode(args, type=Reading), self.name)
            case "acknowledge":
                request = msgspec.json.decode(args, type=Acknowledge)
                return Acknowledged(self.journal.acknowledge(request))
            case _:
                return StreamList(self.state.journal, self.name, self.journal.streams())


@pytest.fixture
def alpha(mesh) -> Desk:
    return Desk(mesh.alpha)


@pytest.fixture
def beta(mesh) -> Desk:
    return Desk(mesh.beta)


def test_list_shows_the_notifications_of_all_hosts_by_time(run, alpha, beta):
    alpha.tell("Backup done", text="in 3 s\nall fine")
    beta.now = alpha.now + 100
    beta.tell("Disk full", Severity.ERROR)
    beta.write("log", "not shown")

    lines = run("user", "list").stdout.splitlines()

    assert lines[0].endswith("alpha  Backup done  (backup)")
    assert lines[1:3] == ["    in 3 s", "    all fine"]
    assert lines[3].endswith("beta  ERROR  Disk full  (backup)")
    assert len(lines) == 4


def test_list_narrows_to_a_host_and_to_what_is_grave(run, alpha, beta):
    alpha.tell("small")
    alpha.tell("grave", Severity.CRITICAL)
    beta.tell("elsewhere", Severity.CRITICAL)

    found = parsed(run("user", "list", "--host", "alpha", "--severity", "error", "--json"))

    assert [(each["host"], each["title"], each["severity"]) for each in found] == [
        ("alpha", "grave", "critical"),
    ]  # fmt: skip
    assert found[0]["source"]["agent_id"] == "backup"


def test_list_shows_the_lines_of_a_stream(run, alpha, beta):
    alpha.write("log", "one", "two")
    alpha.tell("not shown")
    beta.write("log", "three")
    beta.write("other", "not shown")

    lines = run("user", "list", "--stream", "log").stdout.splitlines()

    assert sorted(line.split("  ", 1)[1] for line in lines) == [
        "alpha  log | one", "alpha  log | two", "beta  log | three",
    ]  # fmt: skip


def test_what_is_acknowledged_is_not_shown_again(run, alpha, beta):
    alpha.tell("one")
    beta.tell("two")

    assert parsed(run("user", "ack", "--reader", "ann", "--json")) == [
        {"host": "alpha", "was": 0, "now": 1},
        {"host": "beta", "was": 0, "now": 1},
    ]
    alpha.tell("three")

    titles = [each["title"] for each in parsed(run("user", "list", "--reader", "ann", "--json"))]
    assert titles == ["three"]
    assert len(parsed(run("user", "list", "--reader", "bob", "--json"))) == 3
    assert len(parsed(run("user", "list", "--reader", "ann", "--all", "--json"))) == 3


def test_ack_says_how_far_who_has_read(run, alpha):
    alpha.tell("one")

    assert run("user", "ack", "--reader", "ann").stderr == (
        "alpha: ann has read up to 1, before up to 0\n"
    )


def test_list_can_acknowledge_what_it_shows(run, alpha):
    alpha.tell("one")
    run("user", "list", "--reader", "ann", "--ack")

    assert alpha.state.readers == {"ann": 1}


@pytest.mark.parametrize("command", ["list", "follow"])
@pytest.mark.parametrize("narrow", [("--severity", "error"), ("--stream", "log")])
def test_what_is_not_shown_is_not_acknowledged_by_the_way(run, alpha, command, narrow):
    result = run("user", command, "--ack", *narrow)

    assert result.exit_code == 2
    assert "leave out --severity and --stream" in result.stderr


def test_the_reader_is_who_is_logged_in(run, alpha, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann smith")
    run("user", "ack")

    assert list(alpha.state.readers) == ["ann-smith"]


def test_a_user_without_a_name_is_somebody(run, alpha, monkeypatch):
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    run("user", "ack")

    assert list(alpha.state.readers) == ["somebody"]


def test_what_was_dropped_is_said(run, mesh):
    alpha = Desk(mesh.alpha, Bounds(notices=1))
    for number in range(3):
        alpha.tell(f"n{number}")

    assert "alpha: 2 entries were dropped before they were read" in run("user", "list").stderr


def test_more_than_a_page_is_read(run, mesh):
    alpha = Desk(mesh.alpha, Bounds(page_bytes=600))
    for number in range(7):
        alpha.tell(f"n{number}")

    titles = [each["title"] for each in parsed(run("user", "list", "--json"))]
    assert titles == [f"n{number}" for number in range(7)]


def test_a_host_that_does_not_answer_is_named_and_the_others_shown(run, mesh, alpha, beta):
    alpha.tell("one")

    def fail(kind: str, args: bytes) -> object:
        raise UnavailableError("beta is stopping")

    mesh.beta.answers["user-info"] = fail
    result = run("user", "list")

    assert result.exit_code == 0
    assert "one" in result.stdout
    assert "beta is missing here: beta is stopping" in result.stderr


def test_nobody_who_answers_is_an_error(run, mesh, alpha):
    def fail(kind: str, args: bytes) -> object:
        raise UnavailableError("alpha is stopping")

    mesh.alpha.answers["user-info"] = fail

    assert run("user", "list").exit_code == 1


def test_without_a_user_info_the_next_step_is_said(run):
    result = run("user", "list")

    assert result.exit_code == 1
    assert "`paglets launch show`" in result.stderr
    assert "no host 'nobody' is online" in run("user", "list", "--host", "nobody").stderr
    assert "not on beta" in run("user", "list", "--host", "beta").stderr


def test_notify_tells_on_the_host_that_is_asked(run, alpha, beta):
    result = run("user", "notify", "Backup done", "in 3 s", "--severity", "warning")

    assert result.stderr == "alpha keeps it as number 1\n"
    (entry,) = parsed(run("user", "list", "--json"))
    assert (entry["host"], entry["title"], entry["text"], entry["severity"], entry["source"]) == (
        "alpha", "Backup done", "in 3 s", "warning", None,
    )  # fmt: skip


def test_notify_tells_on_another_host(run, alpha, beta):
    posted = parsed(run("user", "notify", "Hello", "--host", "beta", "--json"))

    assert posted == {"host": "beta", "journal": "journal-of-beta", "sequence": 1}


def test_streams_are_listed_with_what_is_left_of_them(run, mesh):
    alpha = Desk(mesh.alpha, Bounds(lines=2))
    alpha.write("log", "one", "two", "three")

    head, line = run("user", "streams").stdout.splitlines()

    assert head.split() == ["STREAM", "HOST", "LINES", "KEPT", "LAST", "LINE", "WRITTEN", "BY"]
    assert line.split()[:4] == ["log", "alpha", "3", "2"]
    assert line.split()[-1] == "backup"
    (listing,) = parsed(run("user", "streams", "--json"))
    assert listing["streams"][0]["appended"] == 3


def test_what_would_act_on_a_terminal_is_shown_as_a_mark(run, alpha):
    alpha.tell("red \x1b[31m", text="bell \x07")
    alpha.write("log", "\x1b]0;title\x07")

    shown = run("user", "list").stdout + run("user", "list", "--stream", "log").stdout

    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert shown.count("\N{REPLACEMENT CHARACTER}") == 4
