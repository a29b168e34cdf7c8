"""UserInfoAgent: the resident that keeps its host's journal."""

import time
from typing import ClassVar

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.contracts import ServiceContract
from paglets.agent.handlers import provides
from paglets.agent.paglet import Paglet
from paglets.model.enums import Durability, RestartPolicy
from paglets.model.events import CreationEvent
from paglets.model.message import Message
from paglets.model.names import new_id
from paglets.system.user_info.contract import (
    ACKNOWLEDGE,
    APPEND,
    NEWS,
    NEWS_SECONDS,
    NOTIFY,
    READ,
    SERVICE,
    STREAMS,
    USER_INFO,
    Acknowledge,
    Acknowledged,
    Lines,
    Notice,
    Page,
    Posted,
    Reading,
    StreamList,
    StreamQuery,
)
from paglets.system.user_info.journal import Journal, JournalState


class UserInfoAgent(Paglet[JournalState]):
    """The built-in lazy resident `user-info`.

    What it was told is on the disk before it answers, and readers get only what is on the disk:
    Durability.MESSAGE commits state and outcome of one message before the next one is handled.
    """

    durability: ClassVar[Durability] = Durability.MESSAGE
    restart: ClassVar[RestartPolicy] = RestartPolicy.ON_CRASH
    services: ClassVar[tuple[ServiceContract, ...]] = (USER_INFO,)
    auto_start: ClassVar[AutoStartSpec] = AutoStartSpec(SERVICE, agent_id=SERVICE)
    handler_limit: ClassVar[float] = 30.0

    def __init__(self) -> None:
        self._told_at = float("-inf")

    def on_creation(self, event: CreationEvent) -> None:
        """Begin a journal."""
        del event
        self.state.journal = new_id()

    @provides(NOTIFY)
    def notify(self, notice: Notice, message: Message) -> Posted:
        """Write a notification down."""
        self._tell()
        number = self._journal.notify(notice, message.sender, time.time())
        return Posted(self.state.journal, number)

    @provides(APPEND)
    def append(self, lines: Lines, message: Message) -> Posted:
        """Write lines of a stream down."""
        self._tell()
        number = self._journal.append(lines, message.sender, time.time())
        return Posted(self.state.journal, number)

    @provides(READ)
    def read(self, reading: Reading) -> Page:
        """Tell what comes after a number."""
        return self._journal.page(reading, self.context.host_name)

    @provides(ACKNOWLEDGE)
    def acknowledge(self, request: Acknowledge) -> Acknowledged:
        """Note how far a person has read."""
        return Acknowledged(self._journal.acknowledge(request))

    @provides(STREAMS)
    def streams(self, _query: StreamQuery) -> StreamList:
        """Tell which streams there are."""
        return StreamList(self.state.journal, self.context.host_name, self._journal.streams())

    @property
    def _journal(self) -> Journal:
        return Journal(self.state)

    def _tell(self) -> None:
        """Let followers know that there is something new, not more often than they need to.

        Who reads because of it waits until the handler that told it has ended and is committed.
        """
        now = time.monotonic()
        if now - self._told_at >= NEWS_SECONDS:
            self._told_at = now
            self.context.events.emit(NEWS, "has something new", level="debug")
