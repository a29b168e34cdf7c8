"""`paglets service …` and what hosts tell of services, as a user has it, against real hosts."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from paglets import PagletProxy

Make = Callable[..., PagletProxy]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(user: dict[str, str]) -> Run:
    def command(*args: str, group: str = "service") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "paglets", group, *args]
        return subprocess.run(
            line, env=user, capture_output=True, text=True, timeout=60, check=False
        )

    return command


def test_a_service_is_listed_shown_and_called_from_a_shell(run: Run, make: Make) -> None:
    make("Splitter", host="beta")
    (record,) = json.loads(run("list", "--name", "splitter", "--json").stdout)
    assert (record["host_name"], record["operations"]) == ("beta", ["split", "count"])
    assert json.loads(run("list", "--scope", "local", "--json").stdout) == []
    assert "  split  Text -> Words" in run("show", "splitter").stdout.splitlines()
    called = run("call", "splitter", "split", "text=5 6 7", "limit=2")
    assert json.loads(called.stdout) == {"words": ["5", "6"], "host": "beta"}
    assert json.loads(run("call", "splitter", "count", "--args", '{"text": "a b"}').stdout) == 2


def test_what_hosts_have_told_of_a_service_is_shown_with_its_provider(run: Run, make: Make) -> None:
    provider = make("Splitter", host="beta")
    shown = run("records", "--host", "beta", "--kind", "service", "--json", group="mesh")
    told = {record["key"]: record["value"] for record in json.loads(shown.stdout)}
    assert told[f"splitter/1/{provider.agent_id}"][0] == ["split", "count"]


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (("split", "--args", '{"text": 5}'), 1, "field text: Expected `str`, got `int`"),
        (("split", "txet=a"), 2, "takes text, limit, not txet"),
        (("split", "text=reply dict"), 1, "Splitter.split broke the contract"),
        (("split", "text=a", "--version", "2"), 1, "versions there are: 1"),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line(
    run: Run, make: Make, request_: tuple[str, ...], code: int, says: str
) -> None:
    make("Splitter", host="beta")
    result = run("call", "splitter", *request_)
    assert result.returncode == code
    assert says in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
