"""Leases of code outside any paglet: taken, renewed and given back through the entry host."""

from dataclasses import dataclass

import pytest

import paglets
from paglets.model.errors import ConflictError, HostUnreachableError, UnavailableError
from paglets.model.transfer import PeerAddress
from tests.fakemesh import FakeMesh


@dataclass
class Text:
    text: str


ECHO = paglets.ServiceOperation("echo", Text, Text)
TOKENIZER = paglets.ServiceContract("tokenizer", [ECHO])


@pytest.fixture
def client(mesh: FakeMesh):
    mesh.add_service(mesh.beta, "tok")
    with paglets.connect(mesh.url) as made:
        yield made


def test_a_lease_is_held_at_the_provider_until_its_block_ends(client, mesh):
    with client.services.lease(TOKENIZER, ttl=30.0) as lease:
        assert list(mesh.beta.leases.values()) == [30.0]
        assert lease.call(ECHO, Text("a")) == Text("a")
        before = lease.expires_at
        lease.renew(60.0)
        assert list(mesh.beta.leases.values()) == [60.0]
        assert lease.expires_at > before
    assert mesh.beta.leases == {}


def test_a_lease_that_expired_is_to_be_taken_anew(client, mesh):
    lease = client.services.lease(TOKENIZER)
    mesh.beta.leases.clear()
    with pytest.raises(ConflictError, match="take a new one"):
        lease.renew()
    lease.release()
    with pytest.raises(ConflictError, match="was released"):
        lease.renew()


def test_giving_a_lease_back_never_fails(client, mesh):
    lease = client.services.lease(TOKENIZER)
    mesh.beta.failures.append(UnavailableError("stopping"))
    lease.release()
    lease.release()


def test_taking_a_lease_whose_answer_was_lost_takes_one(client, mesh):
    mesh.beta.failures.append(HostUnreachableError("lost", connected=True))
    client.services.lease(TOKENIZER)
    assert len(mesh.beta.leases) == 1


def test_a_provider_that_has_moved_grants_it_where_it_is_now(client, mesh):
    mesh.beta.change("tok", status="moved", peer=PeerAddress("id-alpha", "alpha", mesh.alpha.url))
    mesh.alpha.put("tok")
    lease = client.services.lease(TOKENIZER)
    assert len(mesh.alpha.leases) == 1
    lease.renew(5.0)
    assert list(mesh.alpha.leases.values()) == [5.0]
    lease.release()
    assert mesh.alpha.leases == {}


@pytest.mark.parametrize("ttl", [0.0, -1.0])
def test_a_lease_lasts_more_than_no_time(client, ttl):
    with pytest.raises(ValueError, match="above 0"):
        client.services.lease(TOKENIZER, ttl=ttl)


@pytest.mark.usefixtures("client")
async def test_the_async_twin_does_the_same(mesh):
    async with await paglets.connect_async(mesh.url) as client:
        async with await client.services.lease(TOKENIZER, ttl=30.0) as lease:
            assert list(mesh.beta.leases.values()) == [30.0]
            assert await lease.call(ECHO, Text("a")) == Text("a")
            before = lease.expires_at
            await lease.renew(60.0)
            assert lease.expires_at > before
        assert mesh.beta.leases == {}
        with pytest.raises(ConflictError, match="was released"):
            await lease.renew()
