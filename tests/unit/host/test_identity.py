"""Who a host is, and where others reach it."""

import socket

import pytest

from paglets.host.identity import HostIdentity, advertised_url, bind_socket, local_address


def make_identity(**fields):
    return HostIdentity(
        **{
            "host_id": "id",
            "name": "alpha",
            "url": "http://alpha:1",
            "bind": "127.0.0.1:1",
            "generation": 7,
            "boots": 3,
            "code_version": "v1",
            "tags": ("lab",),
            "properties": {"rack": "4"},
            "capabilities": ("gpu",),
            **fields,
        }
    )


def test_it_is_told_to_paglets_peers_and_people():
    identity = make_identity()
    assert identity.address == ("id", "alpha", "http://alpha:1")
    facts = identity.facts()
    assert (facts.host_id, facts.name, facts.url) == ("id", "alpha", "http://alpha:1")
    assert (facts.properties, facts.code_version) == ({"rack": "4"}, "v1")
    ref = identity.ref(active=2, inactive=1, now=5.0)
    assert (ref.active_count, ref.inactive_count, ref.last_seen) == (2, 1, 5.0)
    assert (ref.generation, ref.tags, ref.capabilities) == (7, ("lab",), ("gpu",))
    assert ref.online
    assert ref.error is None


@pytest.mark.parametrize(
    ("bind", "scheme", "expected"),
    [
        ("127.0.0.1", "http", "http://127.0.0.1:8765"),
        ("::1", "http", "http://[::1]:8765"),
        ("alpha.lan", "https", "https://alpha.lan:8765"),
    ],
)
def test_an_address_of_its_own_is_advertised_as_it_is(bind, scheme, expected):
    assert advertised_url(bind, 8765, scheme=scheme, seeds=()) == expected


@pytest.mark.parametrize("seeds", [(), ("http://127.0.0.1:9",), ("127.0.0.1:9",), ("http://",)])
@pytest.mark.parametrize("bind", ["0.0.0.0", "::"])
def test_a_wildcard_is_never_advertised(bind, seeds):
    url = advertised_url(bind, 8765, scheme="http", seeds=seeds)
    assert url.startswith("http://")
    assert url.endswith(":8765")
    assert "0.0.0.0" not in url
    assert "[::]" not in url


def test_the_way_to_the_first_seed_decides():
    url = advertised_url("0.0.0.0", 1, scheme="http", seeds=("http://127.0.0.1:9",))
    assert url == "http://127.0.0.1:1"


def test_a_port_is_bound_before_anything_listens():
    with bind_socket("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
        assert not listener.getblocking()
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(listener.getsockname())


def test_a_port_that_is_taken_is_an_error_and_leaks_nothing():
    with bind_socket("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            bind_socket("127.0.0.1", first.getsockname()[1])


def test_an_address_that_is_not_ours_is_an_error():
    with pytest.raises(OSError, match="assign"):
        bind_socket("192.0.2.1", 0)


def test_all_addresses_of_both_families_are_one_socket():
    try:
        listener = bind_socket("::", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        listener.listen()
        with socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
            pass


@pytest.mark.parametrize(
    ("bound", "local"),
    [
        ("0.0.0.0:8765", "127.0.0.1:8765"),
        (":::8765", "[::1]:8765"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        ("fd00::7:1", "[fd00::7]:1"),
    ],
)
def test_a_machine_reaches_its_own_host_at_an_address_that_leads_to_itself(bound, local):
    assert local_address(bound) == local
