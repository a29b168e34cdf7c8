"""The hardening, seen from inside a Paglet Process and from its host's process."""

from pathlib import Path

import pytest

from paglets import Message


@pytest.fixture(scope="module")
def spy(three_hosts):
    spy = three_hosts.client().create("porter:Spy")
    yield spy
    spy.dispose()


def test_it_runs_as_an_ordinary_user_without_capabilities(spy):
    status = spy.send(Message("status"))
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"


def test_nothing_outside_its_volumes_can_be_written(spy):
    for path in ("/x", "/opt/paglets/x", "/usr/local/bin/x", "/etc/x"):
        assert spy.send(Message("write", {"path": path})) == "OSError", path
    assert spy.send(Message("write", {"path": "/tmp/x"})) == ""


def test_its_environment_holds_no_secret(spy, three_hosts):
    secret = Path(three_hosts["alpha"].key_file).read_text().strip().rpartition(":")[2]
    for text in spy.send(Message("environment")).values():
        assert secret not in text
        assert "PAGLETS_KEY" not in text


def test_its_open_files_lead_to_nothing_of_the_hosts(spy):
    for target in spy.send(Message("open files")):
        assert not target.startswith(("/keys", "/var/lib/paglets")), target


def test_the_host_itself_has_no_rights_either(three_hosts):
    host = three_hosts["alpha"]
    code, output = host.container.exec_run(["cat", "/proc/1/status"])
    assert code == 0
    lines = dict(line.split(":", 1) for line in output.decode().splitlines())
    assert int(lines["CapEff"], 16) == 0
    assert lines["NoNewPrivs"].strip() == "1"
    assert lines["Uid"].split() == ["10001"] * 4
