"""`await paglets.connect_async()`: the twin of `connect` for asyncio programs."""

from dataclasses import dataclass

import pytest

import paglets
from paglets import DeactivationPolicy, Message
from paglets.model.errors import (
    HostNotFoundError,
    PagletNotFoundError,
    ServiceNotFoundError,
    UnavailableError,
)
from tests.fakemesh import CLASS


@dataclass
class Text:
    text: str


ECHO = paglets.ServiceOperation("echo", Text, Text)
TOKENIZER = paglets.ServiceContract("tokenizer", [ECHO])


async def test_it_creates_sends_and_finds(mesh):
    async with await paglets.connect_async(mesh.url) as client:
        proxy = await client.create(CLASS, host="beta", agent_id="joe")
        assert await proxy.send(Message("echo", {"text": "a"}), Text) == Text("a")
        assert await proxy.send(Message("echo", {"n": 1})) == {"n": 1}
        await proxy.send_oneway(Message("echo"))
        assert (await client.proxy("joe")).host_url == mesh.beta.url
        assert (await client.proxy(proxy.ref())).agent_id == "joe"
        with pytest.raises(PagletNotFoundError):
            await client.proxy("nobody")


async def test_every_verb_works_and_the_proxy_follows(mesh):
    async with await paglets.connect_async(mesh.url) as client:
        proxy = await client.create(CLASS)
        assert (await proxy.dispatch("beta")).host_url == mesh.beta.url
        assert (await proxy.retract("alpha")).host_url == mesh.alpha.url
        assert (await proxy.clone("beta")).agent_id != proxy.agent_id
        await proxy.deactivate(DeactivationPolicy.after(5))
        assert (await proxy.info()).status == "inactive"
        await proxy.activate()
        assert await proxy.state() == {}
        await proxy.dispose()
        with pytest.raises(PagletNotFoundError):
            await proxy.info()


async def test_retry_for_repeats_one_id(mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [UnavailableError("starting", retry_after=0.01)]
    async with await paglets.connect_async(mesh.url) as client:
        proxy = await client.proxy("joe")
        assert await proxy.send(Message("echo", {"n": 1}), retry_for=20) == {"n": 1}
    (first, one), (second, two) = mesh.alpha.attempts
    assert (first, one, two) == (second, 1, 2)


async def test_hosts_services_and_events(mesh):
    mesh.add_service(mesh.beta, "tok")
    mesh.add_event(mesh.alpha, "create")
    async with await paglets.connect_async(mesh.url) as client:
        assert [host.name for host in await client.hosts()] == ["alpha", "beta"]
        assert (await client.wait_for_host("beta", 1)).name == "beta"
        with pytest.raises(HostNotFoundError):
            await client.wait_for_host("gamma", 0.05)
        handle = await client.services.require(TOKENIZER)
        assert await handle.call(ECHO, Text("a")) == Text("a")
        assert handle.record.host_name == "beta"
        with pytest.raises(TypeError):
            await handle.call(ECHO, "a")
        with pytest.raises(ServiceNotFoundError):
            await client.services.require(paglets.ServiceContract("other", [ECHO]))
        assert [event.kind for event in await client.events()] == ["create"]
