"""Leases on real hosts: a lazy resident stays awake as long as somebody holds one."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets import Message, PagletProxy
from paglets.model.errors import ConflictError, HandlerError, InvalidRequestError
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.residents.waiters import SERVE, WAITER, Table
from tests.process.residents.conftest import AGENTS, CLOCK, LAUNCH

LAZY = "waiter.alpha"
pytestmark = pytest.mark.slow
Create = Callable[[str], PagletProxy]


@pytest.fixture
def create(pair: LocalMesh) -> Iterator[Create]:
    """Creates a paglet that can hold a lease, on the host of this name."""
    wait_asleep(pair)
    wait_until(
        lambda: "waiter.alpha" in {b.provider.agent_id for b in pair["beta"].observer.services()},
        timeout=20,
        what="beta has heard of it",
    )
    made: list[PagletProxy] = []

    def guest(host: str) -> PagletProxy:
        made.append(pair.client(host).create("waiters:Guest"))
        return made[-1]

    yield guest
    for each in made:
        if any(each.agent_id in host.statuses() for host in pair):
            each.dispose(force=True)


def status(mesh: LocalMesh, agent_id: str = LAZY) -> str | None:
    return mesh["alpha"].statuses().get(agent_id)


def wait_asleep(mesh: LocalMesh, agent_id: str = LAZY) -> None:
    wait_until(
        lambda: status(mesh, agent_id) == "inactive",
        timeout=20,
        what=f"{agent_id} sleeps",
        story=mesh["alpha"].tail,
    )


def wait_taken(guest: PagletProxy, mesh: LocalMesh) -> None:
    """Take a lease as soon as the gossip has told of the provider."""

    def is_taken() -> bool:
        try:
            take(guest)
        except HandlerError as error:
            if "ServiceNotFoundError" not in error.message:
                raise
            return False
        return True

    wait_until(is_taken, timeout=20, what="a lease is taken", story=mesh["alpha"].tail)


def pass_its_idle_timeout(mesh: LocalMesh) -> None:
    """Wait until another one has fallen asleep that is idle for longer."""
    mesh.client("alpha").proxy("clock.alpha", host="alpha").send(Message("tick"))
    wait_asleep(mesh, "clock.alpha")


def take(guest: PagletProxy, ttl: float = 600.0) -> None:
    assert guest.send(Message("take", {"ttl": ttl, "host": "alpha"})) == LAZY


@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_a_lease_starts_a_lazy_one_and_keeps_it_awake_until_released(
    pair: LocalMesh, create: Create, host: str
) -> None:
    guest = create(host)
    take(guest)
    assert status(pair) == "active"
    pass_its_idle_timeout(pair)
    assert status(pair) == "active"
    assert guest.send(Message("serve")) == "alpha"
    guest.send(Message("release"))
    wait_asleep(pair)


def test_a_client_outside_keeps_a_lazy_one_awake_through_its_entry_host(
    pair: LocalMesh, create: Create
) -> None:
    create("alpha")
    with pair.client("beta").services.lease(WAITER, host="alpha", ttl=600.0) as lease:
        assert status(pair) == "active"
        pass_its_idle_timeout(pair)
        assert lease.call(SERVE, Table(1)).host == "alpha"
        lease.renew(600.0)
        assert status(pair) == "active"
    wait_asleep(pair)


def test_a_lease_that_is_not_renewed_ends_by_itself(pair: LocalMesh, create: Create) -> None:
    guest = create("beta")
    take(guest, ttl=0.1)
    wait_asleep(pair)
    with pytest.raises(ConflictError, match="take a new one"):
        guest.send(Message("renew", {"ttl": 5.0}))
    assert status(pair) == "inactive"


def test_a_renewed_lease_holds_for_its_new_time(pair: LocalMesh, create: Create) -> None:
    guest = create("beta")
    take(guest, ttl=5.0)
    guest.send(Message("renew", {"ttl": 600.0}))
    pass_its_idle_timeout(pair)
    assert status(pair) == "active"
    guest.send(Message("renew", {"ttl": 0.05}))
    wait_asleep(pair)


def test_a_lease_cannot_be_taken_for_ever(create: Create) -> None:
    with pytest.raises(InvalidRequestError, match="at most 3600 s"):
        create("beta").send(Message("take", {"ttl": 1e6, "host": "alpha"}))


def test_of_many_leases_the_last_one_decides(pair: LocalMesh, create: Create) -> None:
    first, last = create("alpha"), create("beta")
    take(first)
    take(last)
    first.send(Message("release"))
    pass_its_idle_timeout(pair)
    assert status(pair) == "active"
    last.send(Message("release"))
    wait_asleep(pair)


def test_many_first_leases_at_once_start_it_once(pair: LocalMesh, create: Create) -> None:
    guests = [create("alpha" if number % 2 else "beta") for number in range(8)]
    before = len(pair["alpha"].observer.events(kind="activate", agent_id=LAZY))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, guests))
    assert len(pair["alpha"].observer.events(kind="activate", agent_id=LAZY)) == before + 1
    for guest in guests:
        guest.send(Message("release"))
    wait_asleep(pair)


@pytest.mark.parametrize("how", ["disposed", "killed", "moved", "asleep"])
@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_a_lease_goes_with_its_owner(pair: LocalMesh, create: Create, host: str, how: str) -> None:
    guest = create(host)
    take(guest)
    match how:
        case "disposed":
            guest.dispose()
        case "killed":
            os.kill(guest.info().pid or 0, signal.SIGKILL)
        case "moved":
            guest.send(Message("leave", {"to": "beta" if host == "alpha" else "alpha"}))
        case "asleep":
            guest.deactivate()
    wait_asleep(pair)


def test_a_lease_goes_with_the_host_of_its_owner_and_with_that_of_its_provider(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    launch = LAUNCH.format(book=tmp_path_factory.mktemp("fallen") / "book") + CLOCK
    with LocalMesh(2, agents=AGENTS, launch=launch) as mesh:
        guest = mesh.client("beta").create("waiters:Guest")
        wait_taken(guest, mesh)
        mesh.kill("beta")
        wait_asleep(mesh)

        mesh["beta"].start()
        mesh.wait_converged()
        guest = mesh.client("beta").proxy(guest.agent_id)
        wait_taken(guest, mesh)
        mesh.kill("alpha")
        mesh["alpha"].start()
        mesh.wait_converged()
        with pytest.raises(ConflictError, match="its host has restarted"):
            guest.send(Message("renew", {"ttl": 5.0}))
        wait_taken(guest, mesh)
        pass_its_idle_timeout(mesh)
        assert status(mesh) == "active"
