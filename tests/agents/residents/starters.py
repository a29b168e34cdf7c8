"""Paglets for `[[paglets]]` of launch.toml."""

from dataclasses import dataclass
from typing import ClassVar

from paglets import AutoStartSpec, Paglet, handles


@dataclass
class IndexState:
    root: str = "/"
    looks: int = 0


class Indexer(Paglet[IndexState]):
    auto_start: ClassVar = AutoStartSpec("indexer")

    @handles("look")
    def look(self) -> list[object]:
        self.state.looks += 1
        return [self.state.root, self.state.looks]


class Helper(Paglet[IndexState]):
    auto_start: ClassVar = AutoStartSpec("helper", singleton=False)


class One(Paglet[None]):
    auto_start: ClassVar = AutoStartSpec("double")


class Two(Paglet[None]):
    auto_start: ClassVar = AutoStartSpec("double")


class Plain(Paglet[None]):
    pass
