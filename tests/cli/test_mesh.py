"""`paglets mesh …`."""

import json
from dataclasses import replace

from paglets.cli.mesh import changes, holders
from paglets.model.refs import HostRef
from tests.cli.conftest import parsed


def test_hosts_lists_every_host_with_its_url(run, mesh):
    lines = run("mesh", "hosts").stdout.splitlines()
    assert lines[0].startswith("NAME")
    assert lines[1].split()[:3] == ["alpha", mesh.url, "alive"]
    assert lines[2].split()[:3] == ["beta", mesh.beta.url, "alive"]


def test_hosts_can_leave_out_those_that_are_not_up(run, mesh):
    mesh.hosts.refs["beta"] = replace(mesh.hosts.refs["beta"], online=False, status="dead")
    assert [host["name"] for host in parsed(run("mesh", "hosts", "--online", "--json"))] == [
        "alpha"
    ]
    assert len(parsed(run("mesh", "hosts", "--json"))) == 2


def test_hosts_can_be_narrowed_by_tag_and_capability(run, mesh):
    refs = mesh.hosts.refs
    refs["beta"] = replace(refs["beta"], tags=("lab",), capabilities=("gpu",))

    def names(*options):
        return [host["name"] for host in parsed(run("mesh", "hosts", "--json", *options))]

    assert names("--tag", "lab") == names("--capability", "gpu") == ["beta"]
    assert names("--tag", "lab", "--capability", "fpga") == []
    assert names("--tag", "none") == []


def test_records_lists_what_hosts_have_told_the_mesh(run, mesh, monkeypatch):
    monkeypatch.setattr("paglets.cli.mesh.PAGE", "2")
    for host in mesh.hosts.refs.values():
        mesh.records.hear("load", host, "", b"\x05")
        mesh.records.hear("paglet.notes", host, "a1", b'"' + b"x" * 100 + b'"')

    lines = run("mesh", "records").stdout.splitlines()
    assert lines[0].split() == ["HOST", "KIND", "KEY", "AGE", "BYTES", "VALUE"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["alpha", "load"], ["alpha", "paglet.notes"], ["beta", "load"], ["beta", "paglet.notes"],
    ]  # fmt: skip
    assert lines[1].split()[-1] == "5"
    assert lines[2].endswith("…")

    (told,) = parsed(run("mesh", "records", "--host", "beta", "--kind", "load", "--json"))
    assert (told["host_name"], told["kind"], told["value"]) == ("beta", "load", 5)


def test_watch_prints_a_line_for_each_host_and_ends_when_asked_to(run):
    result = run("mesh", "watch", "--for", "0", "--json")
    seen = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["host"], line["was"], line["now"]) for line in seen] == [
        ("alpha", None, "alive"),
        ("beta", None, "alive"),
    ]


def test_watch_tells_a_change_of_status_a_restart_and_a_host_that_is_forgotten():
    old = HostRef("beta", "u", generation=1)
    dead = replace(old, status="dead")
    (change,) = changes({"beta": old}, {"beta": dead})
    assert (change["was"], change["now"], change["restarted"]) == ("alive", "dead", False)
    (change,) = changes({"beta": old}, {"beta": replace(old, generation=2)})
    assert change["restarted"]
    (change,) = changes({"beta": old}, {})
    assert change["now"] == "forgotten"
    assert changes({"beta": old}, {"beta": old}) == []


def test_watch_shows_the_host_that_has_a_name_and_not_the_one_it_replaced():
    old = HostRef("beta", "u", host_id="old", generation=1)
    gone = replace(old, online=False, status="dead")
    new = HostRef("beta", "v", host_id="new", generation=2)
    # As listed: the newest first.
    after = holders([new, gone])
    assert after == {"beta": new}
    (change,) = changes(holders([old]), after)
    assert (change["now"], change["url"], change["restarted"]) == ("alive", "v", True)
    dead = replace(new, online=False, status="dead")
    assert holders([dead, old]) == {"beta": old}, "a live host has its name before a newer dead one"
