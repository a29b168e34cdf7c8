"""What paglets tell people, seen from another host, while hosts and processes are killed."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from paglets import Message, PagletProxy
from paglets.system.user_info.contract import NOTIFY, READ, USER_INFO, Entry, Notice, Reading
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.patterns.conftest import HOSTS, Running, command, running

pytestmark = pytest.mark.slow


@pytest.fixture
def reporter(mesh: LocalMesh) -> Iterator[PagletProxy]:
    made = mesh.client("alpha").create("reporter:Reporter", host="beta")
    yield made
    mesh.client("alpha").proxy(made.agent_id).dispose()


@pytest.fixture
def follower(mesh: LocalMesh) -> Iterator[Running]:
    """A person at gamma who sees all that is told."""
    with running(mesh, "user", "follow", "--from", "all", "--json", entry="gamma") as ran:
        yield ran


def entries(mesh: LocalMesh, host: str) -> list[Entry]:
    """Return all that a host keeps."""
    services = mesh.client(host).services
    wait_until(
        lambda: services.lookup(USER_INFO, host=host) is not None, timeout=20, what=f"{host}'s"
    )
    handle = services.require(USER_INFO, host=host)
    pages = [handle.call(READ, Reading(0))]
    while pages[-1].more:
        pages.append(handle.call(READ, Reading(pages[-1].next)))
    return [entry for page in pages for entry in page.entries]


def kill_user_info(host: LocalHost) -> None:
    """Kill its process, as soon as it has one."""
    pids: list[int] = []

    def has_process() -> bool:
        agents = host.observer.agents()
        pids[:] = [i.pid for i in agents if i.class_name.endswith(":UserInfoAgent") and i.pid]
        return bool(pids)

    wait_until(has_process, timeout=20, what="user-info runs")
    os.kill(pids[0], signal.SIGKILL)


def seen(ran: Running, mark: str) -> list[str]:
    """Return what a follower saw whose title has a mark."""
    return [f"{each['host']}: {each['title']}" for each in ran.objects if mark in each["title"]]


def test_what_a_paglet_tells_stays_where_it_told_it_and_is_seen_on_another_host(
    mesh: LocalMesh, follower: Running, reporter: PagletProxy
):
    reporter.send(Message("tell", {"title": "stays on beta", "severity": "error"}))
    reporter.send(Message("go", {"to": "alpha"}))
    reporter.send(Message("tell", {"title": "stays on alpha"}))

    follower.wait_for(lambda: len(seen(follower, "stays")) >= 2, "two notifications")

    assert sorted(seen(follower, "stays")) == ["alpha: stays on alpha", "beta: stays on beta"]
    told = {each["title"]: each for each in follower.objects}
    assert told["stays on beta"]["severity"] == "error"
    for host in ("alpha", "beta"):
        source = told[f"stays on {host}"]["source"]
        assert (source["agent_id"], source["host_name"]) == (reporter.agent_id, host)


def test_the_lines_of_a_stream_come_in_order_and_once(
    mesh: LocalMesh, follower: Running, reporter: PagletProxy
):
    lines = [f"line {number}" for number in range(300)]
    reporter.send(Message("write", {"stream": "build", "lines": lines}))

    follower.wait_for(
        lambda: sum(each["stream"] == "build" for each in follower.objects) >= 300, "300 lines"
    )

    told = [each for each in follower.objects if each["stream"] == "build"]
    assert [each["text"] for each in told] == lines
    assert {each["host"] for each in told} == {"beta"}
    first = told[0]["sequence"]
    assert [each["sequence"] for each in told] == list(range(first, first + 300))


def test_a_killed_host_is_said_and_its_journal_goes_on_when_it_is_back(
    mesh: LocalMesh, follower: Running, reporter: PagletProxy
):
    reporter.send(Message("tell", {"title": "kill: before"}))
    follower.wait_for(lambda: len(seen(follower, "kill")) == 1, "what beta told")

    mesh.kill("beta")
    follower.wait_for(lambda: any("lost beta" in line for line in follower.err), "beta is lost")
    alpha = mesh.client("alpha").services.require(USER_INFO, host="alpha")
    alpha.call(NOTIFY, Notice("kill: goes on"))
    follower.wait_for(lambda: len(seen(follower, "kill")) == 2, "what alpha told")

    mesh.restart("beta")
    mesh.wait_converged()
    reporter = mesh.client("beta").proxy(reporter.agent_id)
    reporter.send(Message("tell", {"title": "kill: after"}))
    follower.wait_for(lambda: len(seen(follower, "kill")) == 3, "what beta told when it was back")

    assert seen(follower, "kill") == [
        "beta: kill: before", "alpha: kill: goes on", "beta: kill: after",
    ]  # fmt: skip
    assert sum("lost beta" in line for line in follower.err) == 1
    assert any("beta is back" in line for line in follower.err)


def test_the_example_of_the_page_tells_what_it_says(mesh: LocalMesh):
    backup = mesh.client().create("page_user_info:Backup", host="gamma")
    backup.send(Message("back up", {"folders": ["/home", "/srv"]}))
    backup.send(Message("back up", {"folders": []}))
    backup.dispose()

    told = [entry.title or entry.text for entry in entries(mesh, "gamma")]

    assert told[-5:] == [
        "copying /home", "copying /srv", "2 folders copied", "0 folders copied", "Nothing to copy",
    ]  # fmt: skip


def test_what_was_acknowledged_at_one_host_is_read_at_all(mesh: LocalMesh, reporter: PagletProxy):
    def user(*words: str, entry: str) -> str:
        with command(mesh, "user", *words, "--reader", "ann", "--json", entry=entry) as process:
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return out

    user("ack", entry="alpha")
    reporter.send(Message("tell", {"title": "news"}))

    (entry,) = json.loads(user("list", "--ack", entry="gamma"))
    assert (entry["host"], entry["title"]) == ("beta", "news")
    assert json.loads(user("list", entry="alpha")) == []


def test_what_was_told_is_there_once_though_the_resident_is_killed_again_and_again(
    mesh: LocalMesh, reporter: PagletProxy
):
    for number in range(12):
        if number % 4 == 1:
            kill_user_info(mesh["beta"])
        reporter.send(Message("tell", {"title": f"once {number}"}), timeout=40)

    # While beta's is down another host's is told.
    told = [entry.title for host in HOSTS for entry in entries(mesh, host)]
    once = sorted(title for title in told if title.startswith("once"))
    assert once == sorted(f"once {number}" for number in range(12))
