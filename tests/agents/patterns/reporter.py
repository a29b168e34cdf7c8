"""A paglet that tells people what it does."""

from dataclasses import dataclass

from paglets import Paglet, Severity, handles
from paglets.system.user_info.telling import UserStream, notify


@dataclass
class ReporterState:
    pass


class Reporter(Paglet[ReporterState]):
    @handles("tell")
    def tell(self, title: str, severity: str = "info") -> int:
        return notify(self.context, title, severity=Severity(severity)).sequence

    @handles("write")
    def write(self, stream: str, lines: list[str]) -> None:
        with UserStream(self.context, stream) as stream_of_it:
            for line in lines:
                stream_of_it.write(line)

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)
