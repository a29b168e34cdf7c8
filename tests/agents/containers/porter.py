"""Paglets for tests in containers: one that carries things, one that looks around."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from paglets import CloneEvent, MobilityEvent, Paglet, handles


@dataclass
class PorterState:
    """What it carries."""

    notes: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    load: bytes = b""


class Porter(Paglet[PorterState]):
    """Carries notes, a load and files; knows where it was."""

    def on_arrival(self, event: MobilityEvent) -> None:
        """Remember the place."""
        self.state.places.append(self.context.host_name)

    def on_clone(self, event: CloneEvent) -> None:
        """Remember the place."""
        self.state.places.append(f"clone at {self.context.host_name}")

    @handles("note")
    def note(self, text: str) -> int:
        """Take a note."""
        self.state.notes.append(text)
        return len(self.state.notes)

    @handles("told")
    def told(self) -> list[list[str]]:
        """Return notes and places."""
        return [self.state.notes, self.state.places]

    @handles("load")
    def load(self, size: int) -> str:
        """Carry so many random bytes; return their digest."""
        self.state.load = os.urandom(size)
        return self.digest()

    @handles("digest")
    def digest(self) -> str:
        """Return the digest of what it carries."""
        return f"{len(self.state.load)} {hashlib.sha256(self.state.load).hexdigest()}"

    @handles("write")
    def write(self, name: str, size: int) -> str:
        """Write a file that travels with the next move; return its digest."""
        path = self.context.storage.work_dir() / name
        path.write_bytes(os.urandom(size))
        self.context.storage.register_file(path)
        return self.read(name)

    @handles("read")
    def read(self, name: str) -> str:
        """Return the digest of a file it has here."""
        data = (self.context.storage.work_dir() / name).read_bytes()
        return f"{len(data)} {hashlib.sha256(data).hexdigest()}"

    @handles("wait")
    def wait(self, seconds: float) -> None:
        """Be busy, so that messages queue up; ends early when it is to leave."""
        self.sleep(seconds)

    @handles("leave")
    def leave(self, to: str) -> None:
        """Go to another host, with whatever is queued."""
        self.dispatch(to)


@dataclass
class SpyState:
    """Nothing is kept."""


class Spy(Paglet[SpyState]):
    """Tells what a paglet's process can see and do in its container."""

    @handles("status")
    def status(self) -> dict[str, str]:
        """Return the kernel's facts about this process."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @handles("environment")
    def environment(self) -> dict[str, str]:
        """Return the variables of this process, as it was started and as they are now."""
        started = Path("/proc/self/environ").read_bytes().decode(errors="replace").split("\0")
        return {"now": repr(dict(os.environ)), "started": repr(started)}

    @handles("open files")
    def open_files(self) -> list[str]:
        """Return what the open descriptors of this process lead to."""
        found = []
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                found.append(str(descriptor.readlink()))
            except FileNotFoundError:  # the one that listed the folder
                continue
        return found

    @handles("write")
    def write(self, path: str) -> str:
        """Try to write a file; return the name of the error, or nothing."""
        try:
            Path(path).write_text("x")
        except OSError as error:
            return type(error).__name__
        return ""
