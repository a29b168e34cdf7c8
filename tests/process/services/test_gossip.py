"""What one host provides the others know soon, and soon know when that ends."""

from collections.abc import Callable

import pytest

from paglets import Message, PagletProxy, ServiceNotFoundError, ServiceScope
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.services.words import OTHER, SPLITTER
from tests.process.services.stage import AGENTS, PATIENCE, hosts_of, wait_found

Make = Callable[..., PagletProxy]


def test_a_service_is_found_on_all_hosts_soon_and_is_gone_soon_after_its_end(
    mesh: LocalMesh,
) -> None:
    proxy = mesh.client().create("words:Splitter", host="beta")
    print("found after", wait_found(mesh, "beta"))
    proxy.dispose()
    print("gone after", wait_found(mesh))


@pytest.mark.parametrize("end", ["crash", "sleep", "dispose", "force"])
def test_a_provider_that_cannot_be_called_any_more_is_found_no_more(
    mesh: LocalMesh, make: Make, end: str
) -> None:
    proxy = make("Splitter", host="beta")
    match end:
        case "crash":
            proxy.send_oneway(Message("split", {"text": "crash"}))
        case "sleep":
            proxy.send(Message("sleep", {"wakes": False}))
        case "dispose":
            proxy.dispose()
        case "force":
            proxy.dispose(force=True)
    wait_found(mesh)


def test_a_provider_that_a_call_wakes_is_found_while_it_sleeps(mesh: LocalMesh, make: Make) -> None:
    proxy = make("Splitter", host="beta")
    proxy.send(Message("sleep", {"wakes": True}))
    assert proxy.info().status == "inactive"
    assert hosts_of(mesh["gamma"]) == ["beta"]
    proxy.send(Message("sleep", {"wakes": False}))
    wait_found(mesh)
    proxy.activate()
    wait_found(mesh, "beta")


def test_a_provider_that_moves_is_found_at_each_moment_and_then_where_it_is(
    mesh: LocalMesh, make: Make
) -> None:
    proxy = make("Splitter", host="beta")
    for place in ("gamma", "alpha", "beta"):
        proxy.dispatch(place)
        assert len(hosts_of(mesh["alpha"])) == 1
        assert len(hosts_of(mesh["gamma"])) == 1
        wait_found(mesh, place)


def test_a_local_service_is_found_on_its_own_host_only(mesh: LocalMesh, make: Make) -> None:
    proxy = make("Bare", host="beta")
    proxy.send(Message("advertise", {"scope": "local"}))
    make("Splitter", host="beta")
    assert hosts_of(mesh["beta"], "other") == ["beta"]
    assert hosts_of(mesh["gamma"], "other") == []
    handle = mesh.client("beta").services.require(OTHER)
    assert (handle.record.scope, handle.record.capabilities) == (ServiceScope.LOCAL, ("bare",))


@pytest.mark.slow
def test_a_service_advertised_by_itself_comes_with_what_it_says_and_goes_with_its_paglet(
    mesh: LocalMesh, make: Make
) -> None:
    proxy = make("Bare", host="beta")
    proxy.send(Message("advertise", {"metadata": {"lang": "en"}}))
    wait_found(mesh, "beta", name="other")
    record = mesh.client("gamma").services.require(OTHER, capabilities=["bare"]).record
    assert dict(record.metadata) == {"lang": "en"}
    proxy.send(Message("withdraw"))
    wait_found(mesh, name="other")
    proxy.send(Message("advertise"))
    wait_found(mesh, "beta", name="other")
    proxy.dispatch("gamma")
    wait_found(mesh, name="other")


def test_what_cannot_be_advertised_is_refused_where_it_is_tried(
    mesh: LocalMesh, make: Make
) -> None:
    proxy = make("Bare")
    assert "no method is marked @provides" in proxy.send(Message("advertise-untold"))
    assert proxy.send(Message("advertise-wide")).startswith("too_large: service other of ")


def test_services_begin_and_end_in_the_event_log(mesh: LocalMesh, make: Make) -> None:
    proxy = make("Splitter", host="beta")
    proxy.dispose()
    events = mesh["beta"].observer.events(kind="service", agent_id=proxy.agent_id)
    assert [event.text for event in events] == [
        "provides splitter 1",
        "provides no more splitter 1",
    ]


@pytest.mark.slow
def test_services_of_a_host_go_with_it_come_back_with_it_and_need_its_code_to_be_ours() -> None:
    with LocalMesh(3, agents=AGENTS) as mesh:
        mesh.client().create("words:Splitter", host="beta")
        mesh.client().create("words:Splitter", host="gamma")
        wait_found(mesh, "beta", "gamma")
        mesh.kill("gamma")
        print("a killed host's are gone after", wait_found(mesh, "beta"))
        mesh.stop("beta")
        print("a stopped host's are gone after", wait_found(mesh))
        mesh.restart("beta")
        wait_found(mesh, "beta")
        mesh.restart("gamma", mesh_version="another")
        mesh.wait_converged()
        assert hosts_of(mesh["alpha"]) == ["beta"]
        assert hosts_of(mesh["gamma"]) == ["gamma"]
        mesh.stop("beta")
        with pytest.raises(ServiceNotFoundError, match="except gamma, which cannot be used now"):
            wait_until(
                lambda: mesh.client("alpha").services.require(SPLITTER) is None,
                timeout=PATIENCE,
                what="beta is gone",
            )
