"""What both factories do with a process that has just started, and with all of them at the end."""

import asyncio
import logging
from collections.abc import Sequence

from paglets.model.errors import StorageFullError
from paglets.supervise.children import ChildrenList
from paglets.supervise.process import PagletProcess

logger = logging.getLogger(__name__)


def list_process(children: ChildrenList, process: PagletProcess) -> None:
    """List a new process, or end it: nobody may run the author's code unlisted.

    Raises:
        StorageFullError: The list could not be written.
    """
    try:
        children.add(process.identity)
    except OSError as error:
        process.kill()
        raise StorageFullError(f"the new process could not be listed: {error}") from error


async def connect_process(process: PagletProcess) -> PagletProcess:
    """Open the channel of a listed process and return it; on failure or cancel end the process."""
    try:
        await process.connect()
    except BaseException:
        process.kill()
        raise
    return process


async def wait_all(processes: Sequence[PagletProcess], *, timeout: float) -> None:
    """Wait until the exits of all are reported, `timeout` seconds at most."""
    try:
        async with asyncio.timeout(timeout):
            for process in processes:
                await process.wait()
    except TimeoutError:
        left = [process.pid for process in processes if process.exit_report is None]
        logger.warning("processes %s did not end within %g s", left, timeout)
