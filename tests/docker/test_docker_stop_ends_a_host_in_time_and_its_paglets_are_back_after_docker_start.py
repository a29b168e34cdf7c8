"""`docker stop`: exit code 0 within 5 s; `docker start`: all paglets as they were."""

import time

from paglets import Message
from paglets.testing import wait_until
from tests.docker.conftest import CARRIERS

STOPPED_WITHIN = 5.0
COUNT = 12


def test_docker_stop_ends_a_host_in_time_and_its_paglets_are_back_after_docker_start(
    paglets_mesh, tell
):
    mesh = paglets_mesh(2, agents=CARRIERS)
    beta = mesh["beta"]
    porters = [mesh.client().create("porter:Porter", host="beta") for _ in range(COUNT)]
    for number, porter in enumerate(porters):
        porter.send(Message("note", {"text": str(number)}))
    host_id = beta.observer.health().host_id

    begun = time.monotonic()
    assert beta.stop() == 0
    took = time.monotonic() - begun
    tell(f"docker stop with {COUNT} paglets took {took:.2f} s")
    assert took <= STOPPED_WITHIN

    beta.start()
    assert beta.observer.health().host_id == host_id
    wait_until(
        lambda: sorted(beta.statuses().values()) == ["active"] * COUNT,
        timeout=20,
        what="all paglets are back",
        story=lambda: str(beta.statuses()),
    )
    for number, porter in enumerate(porters):
        assert porter.send(Message("told"), retry_for=20) == [[str(number)], []]
