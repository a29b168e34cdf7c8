"""What the tests of paglets/supervise share: factories for the test program, and waiting."""

import asyncio
import os
import sys
from pathlib import Path

from paglets.supervise.children import ChildrenList
from paglets.supervise.environment import child_environment
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.supervise.process import PagletProcess, ProcessFactory
from paglets.supervise.spawnfactory import SpawnFactory
from paglets.testing.waiting import wait_until_async

ROOT = Path(__file__).resolve().parents[2]
SPARES = 2
COMMAND = (sys.executable, str(ROOT / "tests/process/supervise_program.py"))


def environment() -> dict[str, str]:
    return child_environment(os.environ, extra={"PYTHONPATH": str(ROOT)})


def make_factory(
    method: str,
    folder: Path,
    *,
    preload: tuple[str, ...] = (),
    path: Path | None = None,
    spares: int = 0,
) -> ProcessFactory:
    children = ChildrenList(folder / "children")
    extra = environment()
    if path is not None:
        extra["PYTHONPATH"] += f":{path}"
    if method == "spawn":
        return SpawnFactory(command=COMMAND, environment=extra, children=children)
    return ForkserverFactory(
        command=COMMAND,
        environment=extra,
        children=children,
        preload=preload,
        spares=spares or SPARES * (method == "spares"),
    )


def spares_of(factory: ProcessFactory) -> list[int]:
    return factory.spare_pids if isinstance(factory, ForkserverFactory) else []


async def wait_for_spares(factory: ProcessFactory, count: int = 2) -> list[int]:
    await wait_until_async(
        lambda: len(spares_of(factory)) == count, timeout=20, what=f"{count} spares"
    )
    return spares_of(factory)


class Conversation:
    """Sends commands to the test program and awaits its answers in order."""

    def __init__(self, process: PagletProcess) -> None:
        self.process = process
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        process.channel.listen(self.answers.put_nowait, self.closed.set_result)

    def tell(self, text: str) -> None:
        self.process.channel.send(text.encode())

    async def ask(self, text: str) -> str:
        self.tell(text)
        async with asyncio.timeout(20):
            return (await self.answers.get()).decode()


def open_descriptors(pid: int | str = "self") -> list[str]:
    return sorted(entry.name for entry in Path(f"/proc/{pid}/fd").iterdir())


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
