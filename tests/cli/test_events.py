"""`paglets events`."""

import subprocess
import sys

from tests.cli.conftest import parsed


def test_events_of_the_whole_mesh_come_in_order_of_time(run, mesh):
    mesh.add_event(mesh.beta, "arrival", agent_id="joe", text="arrived from alpha")
    mesh.add_event(mesh.alpha, "dispatch", agent_id="joe", text="moved to beta")
    first, second = run("events").stdout.splitlines()
    assert first.split()[1:4] == ["beta", "arrival", "joe"]
    assert second.endswith("moved to beta")


def test_events_narrow_to_a_host_and_a_kind(run, mesh):
    mesh.add_event(mesh.beta, "arrival")
    mesh.add_event(mesh.beta, "crash", level="error")
    mesh.add_event(mesh.alpha, "crash")
    (event,) = parsed(run("events", "--host", "beta", "--kind", "crash", "--json"))
    assert (event["host_name"], event["level"]) == ("beta", "error")


def test_a_grave_event_says_so(run, mesh):
    mesh.add_event(mesh.alpha, "crash", level="error", text="exit code 7")
    assert "ERROR crash" in run("events").stdout


def test_follow_prints_what_happens_after_it_began(mesh, home, run):
    mesh.add_event(mesh.alpha, "create", text="before")
    command = [sys.executable, "-m", "paglets", "events", "-f", "--url", mesh.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as reader:
        try:
            # It reads from the present on, so something new is said until a line has come.
            line = wait_for_line(reader, lambda: mesh.add_event(mesh.beta, "tick", text="after"))
        finally:
            reader.kill()
    assert line.endswith("after\n")


def wait_for_line(reader, poke) -> str:
    import selectors
    import time

    with selectors.DefaultSelector() as selector:
        selector.register(reader.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            poke()
            if selector.select(0.1):
                return reader.stdout.readline()
    raise AssertionError("nothing was printed")
