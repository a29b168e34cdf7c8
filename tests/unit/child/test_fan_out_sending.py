"""How the workers of a FanOut are sent: a few at once, each with its order, whatever hosts do."""

from collections.abc import Iterator

import msgspec
import pytest

from paglets.agent.fanout import gathering
from paglets.model.errors import MoveInDoubtError, TransferError
from paglets.model.message import Message
from paglets.model.refs import HostRef
from paglets.wire import calls
from paglets.wire.calls import HostCall
from paglets.wire.hostcalls import CloneCall, HostsReply, LifecycleCall, ProxyReply
from tests.unit.child.fakehost import REF, FakeHost

NAMES = [f"host-{number:02}" for number in range(12)]
HOSTS = tuple(HostRef(name, f"http://{name}:1", host_id=name) for name in NAMES)


class Leader:
    """A paglet that gathers on twelve hosts, played by the test."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.disposed: list[str] = []
        host.script["hosts"] = lambda _request: HostsReply(hosts=HOSTS)
        host.script["lifecycle"] = self._dispose
        host.open("tests.agents.patterns.counting:Count", import_paths=(".",))

    def _dispose(self, request: LifecycleCall) -> ProxyReply:
        self.disposed.append(request.ref.agent_id)
        return ProxyReply(ref=REF)

    def count(self, **args: object) -> int:
        """Have it gather; return the number of that call."""
        return self.host.send(Message("count", args), timeout=60)

    def found(self, number: int) -> dict[str, dict[str, list[str]]]:
        """Wait for what it has gathered."""
        delivered = self.host.answer(number, calls.Delivered)
        return msgspec.json.decode(delivered.reply)["missing"]

    def next_clone(self) -> tuple[HostCall, CloneCall]:
        """Return the next clone it asks for."""
        frame = self.host.next_asked("clone")
        return frame, msgspec.msgpack.decode(frame.body, type=CloneCall)

    def copy(self, clone_id: str) -> dict[str, dict[str, str]]:
        """Take the State for a clone, as a host does; return its FanOut."""
        event = {
            "source": {"host_url": "http://alpha:1", "agent_id": "a1"},
            "clone_agent_id": clone_id,
            "source_host_name": "alpha",
            "target_host_name": "beta",
        }
        taken = self.host.ask(calls.CloneState, calls.Quiesced, event=msgspec.json.encode(event))
        return msgspec.msgpack.decode(taken.snapshot.data)["fan_out"]

    def is_quiet(self) -> bool:
        """Whether it asks for nothing more; it has answered a later question."""
        self.host.ask(calls.Inspect, calls.Inspected)
        return self.host.asked.empty()


@pytest.fixture
def leader(host: FakeHost) -> Iterator[Leader]:
    yield Leader(host)
    assert gathering._rounds == {}
    gathering._orders.clear()


FULL = TransferError("full", reason="full")


def test_some_hosts_are_asked_at_once_and_each_answer_makes_room_for_one_more(leader: Leader):
    counting = leader.count()
    asked = [leader.next_clone() for _ in range(gathering.AT_ONCE)]
    assert [clone.ticket.destination for _, clone in asked] == NAMES[: gathering.AT_ONCE]
    assert leader.is_quiet()

    # Whichever answers first: a host that hangs holds nobody up.
    for later in NAMES[gathering.AT_ONCE :]:
        leader.host.reply(asked.pop()[0], FULL)
        asked.append(leader.next_clone())
        assert asked[-1][1].ticket.destination == later
    for frame, _ in asked:
        leader.host.reply(frame, FULL)

    missing = leader.found(counting)
    assert list(missing) == NAMES
    assert {reason for reason, _ in missing.values()} == {"refused"}
    assert leader.disposed == []


def test_each_clone_gets_its_own_order_while_the_handler_waits(leader: Leader):
    counting = leader.count(hosts=NAMES[:3])
    asked = [leader.next_clone() for _ in range(3)]
    for _, clone in reversed(asked):
        order = leader.copy(clone.clone_agent_id)["order"]
        assert (order["worker_id"], order["method"]) == (clone.clone_agent_id, "look")
    assert leader.copy("a clone of somebody else")["order"] is None
    for frame, _ in asked:
        leader.host.reply(frame, FULL)
    leader.found(counting)
    assert gathering._orders == {}


def test_one_in_doubt_is_waited_for_and_ended_and_a_refused_one_is_not(leader: Leader):
    counting = leader.count(hosts=NAMES[:2], deadline=0.3)
    (doubtful, clone), (refused, _) = (leader.next_clone() for _ in range(2))
    leader.host.reply(refused, FULL)
    leader.host.reply(doubtful, MoveInDoubtError("no answer yet"))

    missing = leader.found(counting)

    assert missing[NAMES[0]][0] == "slow"
    assert missing[NAMES[1]] == ["refused", "did not take the worker: full"]
    assert leader.disposed == [clone.clone_agent_id]


def test_nobody_is_asked_any_more_when_the_time_is_over(leader: Leader):
    counting = leader.count(deadline=0.05)
    asked = [leader.next_clone() for _ in range(gathering.AT_ONCE)]
    (round_,) = gathering._rounds.values()
    while round_._left() > 0:
        leader.is_quiet()
    for frame, _ in asked:
        leader.host.reply(frame, ProxyReply(ref=REF))

    missing = leader.found(counting)

    assert {reason for reason, _ in missing.values()} == {"slow"}
    assert len(missing) == len(NAMES)
    assert leader.is_quiet()
    assert sorted(leader.disposed) == sorted(clone.clone_agent_id for _, clone in asked)


def test_a_host_that_answers_nothing_leaves_them_in_doubt_and_with_their_orders(
    leader: Leader, monkeypatch
):
    monkeypatch.setattr("paglets.child.core.LIFECYCLE_TIMEOUT", 0.05)
    monkeypatch.setattr("paglets.child.hostcalls.GRACE", 0.0)
    counting = leader.count(hosts=NAMES[:2], deadline=0.2)
    clones = [leader.next_clone()[1].clone_agent_id for _ in range(2)]

    missing = leader.found(counting)

    assert {reason for reason, _ in missing.values()} == {"slow"}
    assert sorted(leader.disposed) == sorted(clones)
    assert [leader.copy(each)["order"]["worker_id"] for each in clones] == clones
