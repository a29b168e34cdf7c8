"""A paglet of no use, that a spare process loads and lets go: see `preparing.py`.

It has one of each thing that most paglets have.
"""

from dataclasses import dataclass, field

from paglets.agent.handlers import handles
from paglets.agent.paglet import Paglet


@dataclass
class SampleState:
    """Some fields."""

    name: str = ""
    numbers: list[int] = field(default_factory=list)


class Sample(Paglet[SampleState]):
    """Answers with what it was asked."""

    @handles("sample")
    def answer(self, text: str) -> str:
        """Answer."""
        return text
