"""What README.md shows runs as it stands; only its ports are exchanged for free ones."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import paglets
from paglets.connect.entry import running_hosts
from paglets.testing.localhost import free_ports
from paglets.testing.waiting import wait_until

README = Path(__file__).parents[2] / "README.md"
PATIENCE = 30.0
pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


class Shell:
    """Runs lines of the README in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        first, second = free_ports(2)
        self.ports = {"8765": str(first), "8766": str(second)}
        clean = {key: text for key, text in os.environ.items() if not key.startswith("PAGLETS_")}
        self.environ = {**clean, "PAGLETS_HOME": str(self.home)}

    def adapted(self, text: str) -> str:
        return re.sub("|".join(self.ports), lambda found: self.ports[found.group()], text)

    def command(self, line: str) -> list[str]:
        words = shlex.split(self.adapted(line), comments=True)
        return [sys.executable, "-m", *words]

    @contextmanager
    def background(self, line: str) -> Iterator[None]:
        with (self.folder / "hosts.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(line), cwd=self.folder, env=self.environ, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        log = (self.folder / "hosts.log").read_text()
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\nhosts:\n{log}"
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A folder with the README's tour.py, and its hosts running."""
    made = Shell(tmp_path)
    code, _ = blocks("python")
    (tmp_path / "tour.py").write_text(code)
    _make, hosts, _agent = blocks("sh")
    lines = [line.removesuffix("&") for line in hosts.splitlines() if line.startswith("paglets")]
    with ExitStack() as stack:
        for line in lines:
            stack.enter_context(made.background(line))
        wait_for_hosts(made, len(lines))
        yield made


def wait_for_hosts(shell: Shell, count: int) -> None:
    wait_until(
        lambda: len(running_hosts(shell.home)) >= count,
        timeout=PATIENCE,
        what=f"{count} hosts are ready",
        story=(shell.folder / "hosts.log").read_text,
    )
    url = shell.adapted("http://127.0.0.1:8765")
    with paglets.connect(url, shell.home / "keys" / "default.key") as client:
        client.mesh.wait_for_host("beta", PATIENCE)


def test_the_code_and_the_commands_of_the_readme_do_what_it_says(shell: Shell):
    _make, _hosts, agent = blocks("sh")
    export, *commands = agent.splitlines()
    name, _, value = shell.adapted(export).removeprefix("export ").partition("=")
    shell.environ[name] = value
    printed = [shell.run(shell.command(line)) for line in commands]
    assert printed[0] == "my-tour\n"
    assert printed[2].split() == ["[", '"beta"', "]"]

    _code, program = blocks("python")
    assert shell.run([sys.executable, "-c", shell.adapted(program)]) == "['beta', 'alpha']\n"


def test_the_first_code_is_about_ten_lines():
    code = blocks("python")[0].splitlines()
    assert len([line for line in code if line.strip()]) <= 11
