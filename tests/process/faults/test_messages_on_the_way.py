"""Messages for a paglet that keeps moving: each acknowledged one handled once, in order."""

import threading
import time
from collections.abc import Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.support import AGENTS, PATIENCE, TIMEOUTS, numbers, put, settle, story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
HOPS = 50
RING = ("beta", "gamma", "alpha")


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS) as mesh:
        yield mesh


class Sender:
    """Sends numbers one after the other until it is stopped, and keeps what was acknowledged."""

    def __init__(self, proxy: PagletProxy, name: str, *, retry_for: float | None = None) -> None:
        self.acknowledged: list[int] = []
        self.failed: list[PagletsError] = []
        self._proxy, self._name, self._retry_for = proxy, name, retry_for
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            try:
                put(self._proxy, number, sender=self._name, retry_for=self._retry_for)
            except PagletsError as error:
                self.failed.append(error)
            else:
                self.acknowledged.append(number)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "a send outlived its time"


@pytest.mark.parametrize("class_name", ["ledger:Ledger", "ledger:Notes"])
def test_each_message_sent_during_50_hops_is_handled_once_and_in_order(
    mesh: LocalMesh, class_name: str
) -> None:
    ledger = mesh.client("alpha").create(class_name)
    talker = mesh.client("gamma").create("ledger:Talker")
    senders = [
        Sender(mesh.client(host.name).proxy(ledger.agent_id), host.name, retry_for=60.0)
        for host in mesh
    ]
    talking = talker.send_future(
        Message(
            "talk",
            {"agent_id": ledger.agent_id, "first": 1, "count": 200, "name": "talker"},
        ),
        timeout=120.0,
    )

    begun = time.monotonic()
    mover = mesh.client("beta").proxy(ledger.agent_id)
    for hop in range(HOPS):
        mover.dispatch(RING[hop % 3])
    took = time.monotonic() - begun

    told = talking.result(120.0)
    for sender in senders:
        sender.stop()
    settle(mesh, ledger.agent_id)
    handled = numbers(mesh.client("gamma").proxy(ledger.agent_id))
    for sender, host in zip(senders, mesh, strict=True):
        assert not sender.failed, story(mesh, ledger.agent_id)
        assert handled[host.name] == sender.acknowledged
    assert handled["talker"] == told == list(range(1, 201))
    count = sum(map(len, handled.values()))
    print(f"{HOPS} hops in {took:.1f} s with {count} messages")


def test_a_plain_send_during_50_hops_is_handled_at_most_once_and_once_if_acknowledged(
    mesh: LocalMesh,
) -> None:
    ledger = mesh.client("alpha").create("ledger:Ledger")
    senders = [Sender(mesh.client(host.name).proxy(ledger.agent_id), host.name) for host in mesh]

    mover = mesh.client("beta").proxy(ledger.agent_id)
    for hop in range(HOPS):
        mover.dispatch(RING[hop % 3])

    for sender in senders:
        sender.stop()
    handled = numbers(mesh.client("gamma").proxy(ledger.agent_id))
    for sender, host in zip(senders, mesh, strict=True):
        entries = handled[host.name]
        assert entries == sorted(set(entries)), "none twice, and in order"
        assert set(sender.acknowledged) <= set(entries), "none lost that was acknowledged"
        print(host.name, len(sender.acknowledged), "acknowledged,", len(sender.failed), "failed")


def test_each_oneway_message_acknowledged_during_50_hops_is_handled_once(mesh: LocalMesh) -> None:
    ledger = mesh.client("alpha").create("ledger:Ledger")
    talker = mesh.client("gamma").create("ledger:Talker")
    talking = talker.send_future(
        Message(
            "talk_oneway",
            {"agent_id": ledger.agent_id, "first": 1, "count": 300, "name": "talker"},
        ),
        timeout=120.0,
    )

    mover = mesh.client("beta").proxy(ledger.agent_id)
    for hop in range(HOPS):
        mover.dispatch(RING[hop % 3])

    told = talking.result(120.0)
    assert isinstance(told, list)
    wait_until(
        lambda: len(_of_talker(mesh, ledger)) >= len(told),
        timeout=PATIENCE,
        what="all that was acknowledged is handled",
        story=lambda: story(mesh, ledger.agent_id),
    )
    entries = _of_talker(mesh, ledger)
    assert entries == told, "each once, in order"


def _of_talker(mesh: LocalMesh, ledger: PagletProxy) -> list[int]:
    return numbers(mesh.client("gamma").proxy(ledger.agent_id)).get("talker", [])
