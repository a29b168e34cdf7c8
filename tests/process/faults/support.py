"""What the tests of faults share: short timeouts, ledgers, and the one assertion of them all."""

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Timeouts
from paglets.model.enums import PagletStatus
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.supervise.children import read_children
from paglets.supervise.identity import ProcessIdentity, is_running
from paglets.supervise.spares import SPARE_TITLE
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from paglets.wire.bodies import AgentInfo

AGENTS = Path(__file__).parents[2] / "agents" / "faults"
"""Folder of the paglets these tests run."""
PATIENCE = 20.0
"""Seconds everything has to come to rest after the last fault."""
TIMEOUTS = Timeouts(
    hook=3.0,
    load=15.0,
    quiesce=2.0,
    shutdown=2.0,
    connect=0.3,
    offer=3.0,
    outcome=1.0,
    retry_first=0.05,
    retry_most=0.3,
)
"""Short enough that a case takes a second or two."""
ALIVE = frozenset(
    {PagletStatus.ACTIVE, PagletStatus.INACTIVE, PagletStatus.CRASHED, PagletStatus.UNREADABLE}
)
"""Statuses of a paglet that a host has for itself."""
Numbers = Mapping[str, list[int]]


def put(
    proxy: PagletProxy, number: int, *, sender: str = "test", retry_for: float | None = None
) -> int:
    """Enter a number; the reply says how many of this sender the ledger has."""
    message = Message("put", {"sender": sender, "number": number})
    count = proxy.send(message, timeout=max(5.0, retry_for or 0), retry_for=retry_for)
    assert isinstance(count, int)
    return count


def numbers(proxy: PagletProxy) -> Numbers:
    """Return what a ledger says it has handled."""
    reply = proxy.send(Message("numbers"), timeout=5.0, retry_for=PATIENCE)
    assert isinstance(reply, dict)
    return reply  # type: ignore[return-value]  # as Ledger.numbers returns it


def mend(mesh: LocalMesh) -> None:
    """End all faults: heal, let go on, start what was killed."""
    mesh.heal()
    for host in mesh:
        if host.is_running:
            host.resume()
        else:
            host.kill()
            host.start(wait=False)
    for host in mesh:
        host.wait_ready()


def copies(mesh: LocalMesh, agent_id: str) -> dict[str, AgentInfo]:
    """Return what each host that answers has of a paglet, tombstones too, by host name."""
    found = {}
    for host in mesh:
        for info in host.observer.agents(tombstones=True):
            if info.agent_id == agent_id:
                found[host.name] = info
    return found


def owners(mesh: LocalMesh, agent_id: str) -> list[str]:
    """Return the names of the hosts that have the paglet for themselves."""
    return [name for name, info in copies(mesh, agent_id).items() if info.status in ALIVE]


def in_doubt(mesh: LocalMesh) -> list[str]:
    """Return the transfers in doubt, in words."""
    return [
        f"{host.name}: {each.transfer_id} of {each.agent_id} to {each.peer.name}"
        f" ({each.attempts} attempts, {each.last_error})"
        for host in mesh
        for each in host.observer.transfers(in_doubt=True)
    ]


def unsettled(mesh: LocalMesh) -> list[str]:
    """Return the records, in words, that hosts keep because the other side has not settled."""
    return [
        f"{host.name}: {each.role} of {each.transfer_id}, {each.outcome}, {each.peer.name}"
        for host in mesh
        for each in host.observer.transfers()
        if each.settled_at is None
    ]


def story(mesh: LocalMesh, agent_id: str) -> str:
    """Return all that is known of a paglet, for a failure."""
    lines = []
    for host in mesh:
        try:
            lines += [
                f"{host.name}: {info.status} {info.epoch} {info.error or ''}"
                for info in host.observer.agents(tombstones=True)
                if info.agent_id == agent_id
            ]
            lines += [
                f"  {host.name} {event.kind}: {event.text}"
                for event in host.observer.events(agent_id=agent_id)
            ]
        except PagletsError as error:
            lines.append(f"{host.name}: {error}")
        lines.append(host.tail(12))
    return "\n".join([*lines, *in_doubt(mesh), *unsettled(mesh)])


def settle(
    mesh: LocalMesh,
    agent_id: str,
    statuses: Collection[PagletStatus] = (PagletStatus.ACTIVE,),
    *,
    timeout: float = PATIENCE,
) -> str:
    """Wait until exactly one host has the paglet and nothing is in doubt; return its name."""

    def is_settled() -> bool:
        found = copies(mesh, agent_id)
        living = [info for info in found.values() if info.status in ALIVE]
        others = [info for info in found.values() if info.status not in ALIVE]
        assert len(living) <= 1, f"{agent_id} is doubled:\n{story(mesh, agent_id)}"
        return (
            len(living) == 1
            and living[0].status in statuses
            and all(info.status == PagletStatus.MOVED for info in others)
            and not in_doubt(mesh)
        )

    wait_until(
        is_settled,
        timeout=timeout,
        what=f"exactly one host has {agent_id}",
        story=lambda: story(mesh, agent_id),
    )
    (owner,) = owners(mesh, agent_id)
    return owner


def assert_exactly_one(
    mesh: LocalMesh,
    agent_id: str,
    expected: Numbers,
    *,
    at: str | Iterable[str] | None = None,
    statuses: Collection[PagletStatus] = (PagletStatus.ACTIVE,),
) -> str:
    """Assert the one thing that holds after every fault, once all is mended.

    Exactly one host has a living copy and the others at most a tombstone; its state is as last
    committed; it answers; nothing is in doubt; no process is left that belongs to no paglet.

    Args:
        mesh: With whatever is still broken; it is mended first.
        agent_id: Whose.
        expected: What the ledger has handled.
        at: Where it must be; None for anywhere.
        statuses: What it may be.

    Returns:
        The name of its host.
    """
    mend(mesh)
    owner = settle(mesh, agent_id, statuses)
    if at is not None:
        assert owner in ({at} if isinstance(at, str) else set(at)), story(mesh, agent_id)
    if copies(mesh, agent_id)[owner].status != PagletStatus.ACTIVE:
        mesh.client(owner).proxy(agent_id, owner).activate()
    for host in mesh:
        # From everywhere the same answer: whoever has a tombstone forwards, the others search.
        proxy = mesh.client(host.name).proxy(agent_id)
        assert numbers(proxy) == expected, story(mesh, agent_id)
    assert settle(mesh, agent_id) == owner
    assert_no_orphans(mesh)
    return owner


def processes(host: LocalHost) -> list[ProcessIdentity]:
    """Return the processes of a host that run, its forkserver and spares included."""
    return [each for each in read_children(host.settings.data / "children") if is_running(each)]


def spares(host: LocalHost) -> list[ProcessIdentity]:
    """Return the spare processes of a host: nobody's yet."""
    return [each for each in processes(host) if _title(each) == SPARE_TITLE]


def _title(process: ProcessIdentity) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    return ""


def assert_no_orphans(mesh: LocalMesh) -> None:
    """Assert that every process of the hosts is a forkserver, a spare or of an active paglet."""

    def extra() -> list[str]:
        found = []
        for host in mesh:
            known = {info.pid for info in host.observer.agents()}
            running = {each.pid for each in processes(host)}
            strange = running - known - {each.pid for each in spares(host)}
            if len(strange) > 1:
                found.append(f"{host.name}: {sorted(strange)}")
        return found

    wait_until(
        lambda: not extra(),
        timeout=PATIENCE,
        what="only active paglets have processes",
        story=lambda: "; ".join(extra()),
    )


def wait_all_gone(identities: Collection[ProcessIdentity], *, timeout: float) -> float:
    """Wait until none of the processes runs; return how many seconds it took."""
    begun = time.monotonic()
    wait_until(
        lambda: not any(is_running(each) for each in identities),
        timeout=timeout,
        what="all processes are gone",
        story=lambda: str([each.pid for each in identities if is_running(each)]),
    )
    return time.monotonic() - begun
