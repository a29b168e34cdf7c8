"""What is left when a host ends, killed or asked to: no process, and every paglet."""

import threading
import time
from collections.abc import Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Timeouts
from paglets.model.enums import PagletStatus
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.supervise.identity import is_running
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.support import (
    AGENTS,
    PATIENCE,
    numbers,
    processes,
    put,
    spares,
    wait_all_gone,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
MANY = 200
BUSY = 20
SHUTDOWN = 3.0
GRACE = 5.0
"""Seconds beside the time for handlers in which a host is down: what `docker stop` allows."""


@pytest.fixture
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(1, agents=AGENTS, timeouts=Timeouts(shutdown=SHUTDOWN)) as mesh:
        yield mesh


def _send_ignored(proxy: PagletProxy, message: Message) -> threading.Thread:
    """Send in the background what will not be answered."""

    def send() -> None:
        try:
            proxy.send(message, timeout=60.0)
        except PagletsError:
            return

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def _wait_handling(mesh: LocalMesh, proxies: list[PagletProxy]) -> None:
    """Wait until a second message waits behind the handler of each: the first is in it."""
    wanted = {proxy.agent_id for proxy in proxies}
    for proxy in proxies:
        proxy.send_oneway(Message("facts"))
    wait_until(
        lambda: {i.agent_id for i in mesh["alpha"].observer.agents() if i.queued} >= wanted,
        timeout=PATIENCE,
        what="all handlers are busy",
        story=mesh["alpha"].tail,
    )


def _wait_active(mesh: LocalMesh, count: int) -> None:
    alpha = mesh["alpha"]

    def all_run() -> bool:
        infos = alpha.observer.agents()
        return len(infos) == count and all(i.status == PagletStatus.ACTIVE and i.pid for i in infos)

    wait_until(all_run, timeout=60.0, what=f"{count} paglets run", story=alpha.tail)


def test_a_killed_host_leaves_no_process_and_all_paglets_come_back(mesh: LocalMesh) -> None:
    alpha = mesh["alpha"]
    ledgers = [mesh.client().create("ledger:Ledger") for _ in range(10)]
    for number, ledger in enumerate(ledgers):
        put(ledger, number)
    notes = mesh.client().create("ledger:Notes")
    put(notes, 1)
    notes.dispatch("alpha")
    put(notes, 2)
    asleep = mesh.client().create("ledger:Notes")
    put(asleep, 7)
    asleep.deactivate()
    wait_until(
        lambda: len(processes(alpha)) == 14,
        timeout=PATIENCE,
        what="a forkserver, eleven active paglets and two spares run",
        story=alpha.tail,
    )
    children = processes(alpha)

    alpha.kill()
    took = wait_all_gone(children, timeout=2.0)

    alpha.start()
    _wait_active_but(mesh, asleep.agent_id)
    for number, ledger in enumerate(ledgers):
        assert numbers(mesh.client().proxy(ledger.agent_id)) == {"test": [number]}
    assert numbers(mesh.client().proxy(notes.agent_id)) == {"test": [1]}, "from its last commit"
    assert alpha.statuses()[asleep.agent_id] == PagletStatus.INACTIVE
    assert numbers(mesh.client().proxy(asleep.agent_id)) == {"test": [7]}
    print(f"14 processes were gone {took:.3f} s after kill -9")


def _wait_active_but(mesh: LocalMesh, asleep: str) -> None:
    alpha = mesh["alpha"]
    wait_until(
        lambda: all(info.pid or info.agent_id == asleep for info in alpha.observer.agents()),
        timeout=PATIENCE,
        what="all paglets run",
        story=alpha.tail,
    )


def test_a_child_that_holds_the_gil_goes_with_its_killed_host(mesh: LocalMesh) -> None:
    alpha = mesh["alpha"]
    ledger = mesh.client().create("ledger:Ledger")
    put(ledger, 1)
    children = processes(alpha)
    sending = _send_ignored(ledger, Message("pow"))
    pid = next(info.pid for info in alpha.observer.agents())
    assert pid is not None
    _wait_cpu(pid, 0.3)

    alpha.kill()
    took = wait_all_gone(children, timeout=2.0)

    sending.join(PATIENCE)
    alpha.start()
    assert numbers(mesh.client().proxy(ledger.agent_id)) == {"test": [1]}
    print(f"a child in a long step of C code was gone {took:.3f} s after kill -9 of its host")


def _wait_cpu(pid: int, seconds: float) -> None:
    """Wait until a process has computed for so long: it is in the middle of its step then."""
    import psutil

    process = psutil.Process(pid)
    start = process.cpu_times().user
    wait_until(
        lambda: process.cpu_times().user - start > seconds,
        timeout=PATIENCE,
        what=f"process {pid} computes",
    )


def test_a_host_stops_in_time_with_200_paglets_of_which_20_are_busy(mesh: LocalMesh) -> None:
    alpha, client = mesh["alpha"], mesh.client()
    begun = time.monotonic()
    ledgers = [
        client.create("ledger:Ledger" if number % 2 else "ledger:Notes") for number in range(MANY)
    ]
    for number, ledger in enumerate(ledgers):
        put(ledger, number)
    made = time.monotonic() - begun
    sending = [_send_ignored(each, Message("linger", {"seconds": 60})) for each in ledgers[:BUSY]]
    _wait_handling(mesh, ledgers[:BUSY])
    wait_until(
        lambda: len(processes(alpha)) - len(spares(alpha)) == MANY + 1,
        timeout=PATIENCE,
        what="a forkserver, all paglets and some spares run",
    )
    children = processes(alpha)

    begun = time.monotonic()
    code = alpha.stop(timeout=SHUTDOWN + GRACE)
    took = time.monotonic() - begun

    assert code == 0, alpha.tail()
    assert not any(map(is_running, children)), "no process outlives a host that stops"
    for thread in sending:
        thread.join(PATIENCE)
    begun = time.monotonic()
    alpha.start()
    _wait_active(mesh, MANY)
    back = time.monotonic() - begun
    for number, ledger in enumerate(ledgers):
        assert numbers(mesh.client().proxy(ledger.agent_id)) == {"test": [number]}
    print(f"{MANY} made in {made:.1f} s, down in {took:.1f} s, back in {back:.1f} s")
