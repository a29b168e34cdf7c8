"""What is promised of a message: at most once, exactly once with `retry_for` and MESSAGE."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.enums import Priority
from paglets.model.errors import HandlerError, PagletCrashedError, PagletsError
from paglets.model.message import Message
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.queueing import LedgerState
from tests.process.lifecycle.stage import AGENTS, PATIENCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(2, agents=AGENTS) as running:
        yield running


@pytest.fixture
def ledger(mesh: LocalMesh, tmp_path: Path) -> Callable[[], PagletProxy]:
    """A MESSAGE paglet, found anew each time it is called: its host may have restarted."""
    state = LedgerState(book=tmp_path / "book")
    agent_id = mesh.client().create("queueing:Ledger", state).agent_id
    return lambda: mesh.client().proxy(agent_id)


def note(text: str, message_id: str | None = None, kind: str = "note") -> Message:
    message = Message(kind, {"text": text})
    if message_id is not None:
        message.message_id = message_id
    return message


def _living(host: LocalHost) -> set[str]:
    return {agent_id for agent_id, status in host.statuses().items() if status != "moved"}


def test_a_repeat_of_a_message_with_retry_for_gets_the_first_outcome(mesh: LocalMesh) -> None:
    clerk = mesh.client().create("queueing:Clerk")
    first = clerk.send(note("once", "id-1"), retry_for=30.0)
    again = clerk.send(note("once", "id-1"), retry_for=30.0)
    assert (first, again) == (1, 1)
    assert clerk.send(Message("handled")) == ["once"]


def test_a_repeat_of_a_running_call_joins_it(mesh: LocalMesh) -> None:
    clerk = mesh.client().create("queueing:Clerk")
    slow = Message("slow note", {"text": "once", "seconds": 0.3}, message_id="id-2")
    replies = [clerk.send_future(slow, retry_for=30.0) for _ in range(5)]
    assert [each.result(PATIENCE) for each in replies] == [1] * 5
    assert clerk.send(Message("handled")) == ["once"]


def test_an_outcome_that_is_an_error_is_remembered_too(mesh: LocalMesh) -> None:
    clerk = mesh.client().create("queueing:Clerk")
    for _ in range(2):
        with pytest.raises(PagletsError, match="takes"):
            clerk.send(Message("note", {"text": "x", "more": 1}, message_id="id-3"), retry_for=30.0)
    assert clerk.send(Message("handled")) == []


def test_remembered_outcomes_move_with_the_paglet(mesh: LocalMesh) -> None:
    clerk = mesh.client().create("queueing:Clerk")
    clerk.send(note("once", "id-4"), retry_for=30.0)
    clerk.dispatch("beta")
    assert clerk.send(note("once", "id-4"), retry_for=30.0) == 1
    assert clerk.send(Message("handled")) == ["once"]


def test_a_plain_message_is_handled_at_most_once(mesh: LocalMesh) -> None:
    fragile = mesh.client().create("talking:Phoenix")
    with pytest.raises(PagletCrashedError):
        fragile.send(Message("exit"))
    assert fragile.send(Message("tell"), timeout=PATIENCE)[:2] == [0, 0]


def test_state_and_outcome_survive_a_kill_of_the_host(
    mesh: LocalMesh, ledger: Callable[[], PagletProxy]
) -> None:
    assert ledger().send(note("kept", "id-5"), retry_for=60.0) == 1
    mesh["alpha"].kill()
    mesh["alpha"].start()
    assert ledger().send(note("kept", "id-5"), retry_for=60.0) == 1
    assert ledger().send(Message("handled")) == ["kept"]


def test_a_handler_that_died_is_run_again_and_the_sender_gets_the_answer(
    ledger: Callable[[], PagletProxy],
) -> None:
    dying = note("twice", "id-6", kind="die once")
    assert ledger().send(dying, retry_for=60.0, timeout=PATIENCE) == 1
    assert ledger().send(Message("handled")) == ["twice"]


@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_what_a_paglet_sends_with_retry_for_is_sent_again_where_the_handler_died(
    mesh: LocalMesh, tmp_path: Path, host: str
) -> None:
    state = LedgerState(book=tmp_path / "book")
    ledger = mesh.client().create("queueing:Ledger", state, host=host)
    clerk = mesh.client().create("queueing:Clerk")
    args = {"to": asdict(ledger.ref()), "kind": "die once"}

    relayed = Message("relay", {**args, "text": "twice", "retry_for": 30.0})
    assert clerk.send(relayed, timeout=PATIENCE) == 1
    plain = Message("relay", {**args, "text": "once", "retry_for": None})
    with pytest.raises(HandlerError, match="PagletCrashedError"):
        clerk.send(plain, timeout=PATIENCE)

    wait_until(lambda: ledger.info().status == "active", timeout=PATIENCE, what="it is back")
    assert ledger.send(Message("handled"), timeout=PATIENCE, retry_for=PATIENCE) == ["twice"]


def test_what_a_paglet_sends_with_retry_for_waits_for_a_host_that_is_killed(
    mesh: LocalMesh, tmp_path: Path
) -> None:
    ledger = mesh.client().create(
        "queueing:Ledger", LedgerState(book=tmp_path / "book"), host="beta"
    )
    clerk = mesh.client().create("queueing:Clerk")
    args = {"to": asdict(ledger.ref()), "kind": "note", "text": "kept", "retry_for": 30.0}
    mesh["beta"].kill()
    reply = clerk.send_future(Message("relay", args), timeout=PATIENCE)
    mesh["beta"].start()

    assert reply.result(PATIENCE) == 1


def test_a_oneway_message_is_handled_once_though_the_host_is_killed_after_the_ack(
    mesh: LocalMesh, ledger: Callable[[], PagletProxy], tmp_path: Path
) -> None:
    proxy = ledger()
    proxy.send_future(Message("wait", {"seconds": 60}), timeout=60)
    wait_until(lambda: proxy.info().queued == 0, timeout=PATIENCE, what="it waits")
    for number in range(5):
        proxy.send_oneway(note(f"acknowledged {number}"))
    mesh["alpha"].kill()
    mesh["alpha"].start()
    texts = [f"acknowledged {number}" for number in range(5)]
    wait_until(
        lambda: ledger().send(Message("handled"), timeout=PATIENCE) == texts,
        timeout=PATIENCE,
        what="all are handled",
        story=lambda: str(ledger().send(Message("handled"))),
    )
    assert (tmp_path / "book").read_text().split("\n")[:-1] == texts


def test_a_oneway_message_whose_handler_dies_is_handled_again_and_counts_once(
    ledger: Callable[[], PagletProxy],
) -> None:
    ledger().send_oneway(note("brave", kind="die once"))
    wait_until(
        lambda: ledger().send(Message("handled"), timeout=PATIENCE) == ["brave"],
        timeout=PATIENCE,
        what="it is handled",
    )


def test_what_a_handler_sent_made_and_cloned_before_it_died_is_not_doubled(
    mesh: LocalMesh, ledger: Callable[[], PagletProxy]
) -> None:
    friend = mesh.client("beta").create("queueing:Ledger", LedgerState(book=Path("/dev/null")))
    state = ledger().state()
    maker = mesh.client().create(
        "queueing:Ledger", LedgerState(book=Path(state["book"]), friend=friend.ref())
    )
    before = {host.name: _living(host) for host in mesh}
    passing = note("all", kind="pass on and die once")
    made, clone, there = maker.send(passing, retry_for=60.0, timeout=PATIENCE)
    new = {host.name: _living(host) - before[host.name] for host in mesh}
    assert new == {"alpha": {made, clone}, "beta": {there}}
    wait_until(
        lambda: len(friend.send(Message("handled"))) >= 2, timeout=PATIENCE, what="both came"
    )
    assert sorted(friend.send(Message("handled"))) == ["asked all", "oneway all"]
    assert maker.send(Message("handled")) == ["all"]


def test_an_unqueued_handler_of_a_message_paglet_may_not_change_state(
    ledger: Callable[[], PagletProxy],
) -> None:
    with pytest.raises(PagletsError):
        ledger().send(Message("change beside", priority=Priority.UNQUEUED))
    assert ledger().send(Message("handled")) == []


def test_a_handler_of_a_message_paglet_has_no_checkpoint_of_its_own(
    ledger: Callable[[], PagletProxy],
) -> None:
    with pytest.raises((HandlerError, PagletsError), match="together with its reply"):
        ledger().send(Message("checkpoint"))
