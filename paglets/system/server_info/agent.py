"""ServerInfoAgent: the resident that tells of its host's machine."""

from typing import ClassVar

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.contracts import ServiceContract
from paglets.agent.handlers import provides
from paglets.agent.paglet import Paglet
from paglets.system.server_info.contract import (
    DISKS,
    GAUGES,
    GPUS,
    LOAD,
    MEMORY,
    PROCESSES,
    SERVER_INFO,
    SUMMARY,
    Disks,
    Gauges,
    Gpus,
    HostSummary,
    Load,
    Memory,
    Now,
    Processes,
    ProcessQuery,
)
from paglets.system.server_info.processes import read_processes
from paglets.system.server_info.reading import MachineReader


class ServerInfoAgent(Paglet[None]):
    """The built-in lazy resident `server-info`; it keeps nothing and may sleep at any time."""

    services: ClassVar[tuple[ServiceContract, ...]] = (SERVER_INFO,)
    auto_start: ClassVar[AutoStartSpec] = AutoStartSpec("server-info")
    handler_limit: ClassVar[float] = 60.0

    def __init__(self) -> None:
        self._machine = MachineReader(self.context.storage.work_dir())

    @provides(SUMMARY)
    def summary(self, _request: Now) -> HostSummary:
        """Tell of the machine in a few words."""
        return self._machine.summary(self.context.host_name)

    @provides(LOAD)
    def load(self, _request: Now) -> Load:
        """Tell how busy the CPUs are."""
        return self._machine.load()

    @provides(MEMORY)
    def memory(self, _request: Now) -> Memory:
        """Tell how much memory there is and could be had."""
        return self._machine.memory()

    @provides(DISKS)
    def disks(self, _request: Now) -> Disks:
        """Tell of the file systems."""
        return self._machine.disks()

    @provides(GPUS)
    def gpus(self, _request: Now) -> Gpus:
        """Tell of the graphics processors."""
        return self._machine.gpus.read()

    @provides(PROCESSES)
    def processes(self, request: ProcessQuery) -> Processes:
        """Tell of the processes that match."""
        return read_processes(request)

    @provides(GAUGES)
    def gauges(self, _request: Now) -> Gauges:
        """Tell all that placing work needs."""
        return self._machine.gauges()
