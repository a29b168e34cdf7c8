"""A little host for the tests: starts children, says their pids, and waits to be killed."""

import asyncio
import sys
from pathlib import Path

from tests.process.supervise_support import Conversation, make_factory, spares_of, wait_for_spares


async def main(method: str, folder: Path) -> None:
    factory = make_factory(method, folder)
    factory.launch()
    factory.attach()
    talks = [Conversation(await factory.fork(f"t{n}")) for n in range(4)]
    idle, busy, parent, quiet = talks
    pids = [talk.process.pid for talk in talks]
    await busy.ask("busy")
    pids.append(int(await parent.ask("grandchild exec")))
    pids.append(int(await quiet.ask("grandchild forked")))
    await idle.ask("echo x")
    if method == "spares":
        await wait_for_spares(factory)
    pids += spares_of(factory)
    server = getattr(factory, "forkserver_pid", None)
    print(*pids, *([server] if server else []), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
