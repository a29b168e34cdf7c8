"""How a host starts a process: what a spare may learn for it."""

import pytest

from paglets.config.settings import Limits, Timeouts
from paglets.model.errors import UnavailableError
from paglets.runtime.starter import Birth, CodeSource, Starter
from paglets.supervise.control import Lesson
from paglets.wire.calls import HostFacts

FACTS = HostFacts(host_id="a", name="alpha", url="http://alpha:8765")


class Factory:
    """Has no process to give, and notes what it was asked for."""

    def __init__(self):
        self.lessons = []

    async def fork(self, title, *, on_line, lesson):
        self.lessons.append(lesson)
        raise UnavailableError("the host is stopping")


async def lesson_of(**birth):
    factory = Factory()
    starter = Starter(
        factory=factory,
        facts=lambda: FACTS,
        folders=None,
        code=lambda: CodeSource(import_paths=("agents",), version="v"),
        spool=None,
        limits=Limits(),
        timeouts=Timeouts(),
        capacity=lambda: 10,
        on_call=None,
        on_line=None,
    )
    with pytest.raises(UnavailableError):
        await starter.launch(Birth(agent_id="a", class_name="tour:Tour", **birth))
    return factory.lessons


async def test_a_spare_learns_what_is_started_as_more_of_it_may_follow():
    assert await lesson_of() == [Lesson("tour:Tour", ("agents",))]


async def test_no_spare_learns_a_resident_of_which_a_host_has_one():
    assert await lesson_of(is_single=True) == [None]
