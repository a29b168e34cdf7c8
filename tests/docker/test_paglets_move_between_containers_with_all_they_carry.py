"""Dispatch, clone and retract between containers, by name; proxies keep working."""

from paglets import Message
from paglets.testing import wait_until

MIB = 1024 * 1024


def test_a_paglet_moves_by_name_with_its_state_and_its_proxy_follows(three_hosts):
    porter = three_hosts.client().create("porter:Porter")
    assert porter.send(Message("note", {"text": "packed"})) == 1
    porter.dispatch("beta")
    porter.dispatch("gamma")
    assert porter.send(Message("told")) == [["packed"], ["beta", "gamma"]]
    elsewhere = three_hosts.client("beta").proxy(porter.agent_id)
    assert elsewhere.send(Message("note", {"text": "from beta"})) == 2
    assert three_hosts["gamma"].statuses()[porter.agent_id] == "active"
    porter.dispose()


def test_a_clone_lives_on_in_another_container_with_a_life_of_its_own(three_hosts):
    porter = three_hosts.client().create("porter:Porter")
    porter.send(Message("note", {"text": "before"}))
    twin = porter.clone("beta")
    porter.send(Message("note", {"text": "original"}))
    twin.send(Message("note", {"text": "twin"}))
    assert porter.send(Message("told")) == [["before", "original"], []]
    assert twin.send(Message("told")) == [["before", "twin"], ["clone at beta"]]
    porter.dispose()
    twin.dispose()


def test_a_paglet_is_retracted_from_another_container(three_hosts):
    porter = three_hosts.client().create("porter:Porter", host="gamma")
    porter.send(Message("note", {"text": "away"}))
    porter.retract("alpha")
    assert porter.send(Message("told")) == [["away"], ["alpha"]]
    assert three_hosts["alpha"].statuses()[porter.agent_id] == "active"
    porter.dispose()


def test_messages_that_wait_for_a_paglet_travel_with_it_in_order(three_hosts):
    porter = three_hosts.client().create("porter:Porter")
    porter.send_future(Message("wait", {"seconds": 20.0}), timeout=60)
    for number in range(8):
        porter.send_oneway(Message("note", {"text": str(number)}))
    wait_until(lambda: porter.info().queued == 8, timeout=10, what="eight notes are queued")
    porter.dispatch("beta")
    assert porter.send(Message("told")) == [[str(n) for n in range(8)], ["beta"]]
    porter.dispose()


def test_registered_files_arrive_with_the_paglet(three_hosts):
    porter = three_hosts.client().create("porter:Porter")
    written = [
        porter.send(Message("write", {"name": f"{n}.bin", "size": n * MIB})) for n in range(3)
    ]
    porter.dispatch("gamma")
    assert [porter.send(Message("read", {"name": f"{n}.bin"})) for n in range(3)] == written
    porter.dispose()


def test_a_state_of_64_mib_arrives_whole(three_hosts):
    porter = three_hosts.client().create("porter:Porter")
    digest = porter.send(Message("load", {"size": 64 * MIB - 4096}), timeout=60)
    porter.dispatch("beta")
    assert porter.send(Message("digest"), timeout=60) == digest
    porter.dispose()
