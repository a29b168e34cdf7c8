"""Paglets with things to close, and with files."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from paglets import CloneEvent, FileMode, MobilityEvent, Paglet, handles


@dataclass
class OwnerState:
    book: Path = Path("/nowhere")


class Owner(Paglet[OwnerState]):
    """Writes into its book when its resources are cleaned up."""

    def _write(self, line: str) -> None:
        with self.state.book.open("a") as book:
            book.write(f"{line}\n")

    def _leaving(self, event: object) -> None:
        self._write("hook")

    on_dispatching = on_reverting = on_deactivating = on_disposing = _leaving

    @handles("open")
    def open(self) -> None:
        registry = self.context.resources
        registry.register("socket", lambda: self._write("socket"))
        registry.track("file", Closing(self))
        registry.register("forgotten", lambda: self._write("forgotten"))
        registry.register("broken", self._break)
        registry.register("cache", lambda: self._write("cache"))
        registry.remove("forgotten")

    def _break(self) -> None:
        self._write("broken")
        raise OSError("it was closed already")

    @handles("names")
    def names(self) -> list[str]:
        return list(self.context.resources.names())

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)


class Closing:
    """Something with `close()`."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def close(self) -> None:
        self.owner._write("file")


@dataclass
class CarrierState:
    seen: list[str] = field(default_factory=list)
    """Files that were in `work_dir()` when it arrived: name, size and digest."""


class Carrier(Paglet[CarrierState]):
    """Takes files along."""

    def on_arrival(self, event: MobilityEvent) -> None:
        self._look()

    def on_clone(self, event: CloneEvent) -> None:
        self._look()

    def _look(self) -> None:
        files = sorted(self.context.storage.work_dir().iterdir())
        self.state.seen = [_told(path) for path in files]

    @handles("seen")
    def seen(self) -> list[str]:
        return self.state.seen

    @handles("write")
    def write(self, name: str, size: int, where: str = "work") -> str:
        storage = self.context.storage
        folder = storage.work_dir() if where == "work" else storage.persistent()
        path = folder / name
        path.write_bytes(bytes(index % 251 for index in range(1024)) * (size // 1024))
        return _told(path)

    @handles("take")
    def take(self, path: str, mode: str) -> None:
        self.context.storage.register_file(path, FileMode(mode))

    @handles("folders")
    def folders(self) -> list[str]:
        storage = self.context.storage
        return [str(storage.work_dir()), str(storage.persistent())]

    @handles("lose")
    def lose(self, name: str) -> None:
        (self.context.storage.work_dir() / name).unlink()


def _told(path: Path) -> str:
    data = path.read_bytes()
    return f"{path.name} {len(data)} {hashlib.sha256(data).hexdigest()[:12]}"
