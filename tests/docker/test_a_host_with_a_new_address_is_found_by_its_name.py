"""A restart with another address: within the time the mesh promises everybody uses the new one."""

import time

from paglets import Message
from paglets.testing import wait_until
from tests.docker.conftest import CARRIERS

PROMISED = 5.0
"""Seconds: an update is everywhere within 2 s of a join, which is tried every second."""


def test_a_host_with_a_new_address_is_found_by_its_name(paglets_mesh, tell):
    mesh = paglets_mesh(3, agents=CARRIERS, preset="lan")
    porter = mesh.client().create("porter:Porter", host="gamma")
    porter.send(Message("note", {"text": "kept"}))
    before = mesh["gamma"].internal_url

    mesh.restart("gamma", new_address=True)
    begun = time.monotonic()
    after = mesh["gamma"].internal_url
    assert before != after
    for host in mesh:
        wait_until(
            lambda host=host: url_of_gamma(host) == after,
            timeout=PROMISED,
            what=f"{host.name} knows gamma's address",
            story=host.tail,
        )
    tell(f"a new address was known everywhere {time.monotonic() - begun:.2f} s after the restart")
    assert porter.send(Message("told"), retry_for=20) == [["kept"], []]
    porter.dispatch("beta")
    porter.dispatch("gamma")
    assert porter.send(Message("told")) == [["kept"], ["beta", "gamma"]]


def url_of_gamma(host) -> str:
    found = [ref for ref in host.client.hosts() if ref.name == "gamma"]
    return found[0].url if len(found) == 1 else ""
