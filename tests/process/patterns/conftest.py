"""One mesh of three for all tests of this folder; who kills a host starts it again."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from paglets.model.errors import PagletsError
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

AGENTS = Path(__file__).parents[2] / "agents" / "patterns"
DOCS = Path(__file__).parents[3] / "docs"
"""The examples of a page are a module of paglets: `page_user_info`, `page_patterns`."""
LAUNCH = """
[[services]]
class = "paglets.system.user_info.agent:UserInfoAgent"
lifecycle = "lazy"
"""
HOSTS = ("alpha", "beta", "gamma")


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the modules that the pages are."""
    folder = tmp_path_factory.mktemp("pages")
    for page in ("user-info", "patterns"):
        blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)
        (folder / f"page_{page.replace('-', '_')}.py").write_text("\n\n".join(blocks))
    return folder


def load_page(folder: Path, page: str) -> ModuleType:
    """Import the module of a page, as a program that shares it with the hosts does."""
    name = f"page_{page}"
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="package")
def mesh(pages: Path) -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=[AGENTS, pages], launch=LAUNCH) as running:
        yield running


class Asking:
    """A question asked in a thread of its own."""

    def __init__(self, question: Callable[[], object]) -> None:
        self._question = question
        self._answer: object = None
        self._error: PagletsError | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._answer = self._question()
        except PagletsError as error:
            self._error = error

    def result(self, timeout: float = 40):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "no answer"
        if self._error is not None:
            raise self._error
        return self._answer


class Running:
    """A command that runs on, with what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, lines: list[str]) -> None:
        lines.extend(line.rstrip("\n") for line in iter(stream.readline, ""))

    @property
    def objects(self) -> list[dict]:
        """What was printed as JSON lines."""
        return [json.loads(line) for line in list(self.out)]

    def wait_for(self, check: Callable[[], bool], what: str) -> None:
        wait_until(check, timeout=30, what=what, story=lambda: "\n".join([*self.out, *self.err]))

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(10)
        for thread in self._threads:
            thread.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def command(mesh: LocalMesh, *words: str, entry: str = "alpha") -> subprocess.Popen[str]:
    """Start `paglets …` against a host of the mesh."""
    clean = {key: text for key, text in os.environ.items() if not key.startswith("PAGLETS_")}
    shared = ["--url", mesh[entry].url, "--key-file", str(mesh.key_file)]
    return subprocess.Popen(
        [sys.executable, "-m", "paglets", *words, *shared],
        env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip


@contextmanager
def running(mesh: LocalMesh, *words: str, entry: str = "alpha") -> Iterator[Running]:
    """A command that is ended after the block."""
    ran = Running(command(mesh, *words, entry=entry))
    try:
        yield ran
    finally:
        ran.end()


def left_over(mesh: LocalMesh, *but: str) -> list[str]:
    """Return the paglets of the running hosts, but residents and those with these ids."""
    return [
        f"{host.name}: {info.class_name} {info.agent_id} {info.status}"
        for host in mesh
        if host.is_running
        for info in host.observer.agents()
        if info.agent_id not in but and not info.class_name.startswith("paglets.system.")
    ]
