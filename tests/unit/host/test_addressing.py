"""A host whose address is gone tells the mesh its new one; one that has several keeps its own."""

import asyncio
import contextlib

import pytest

from paglets.host import addressing
from paglets.host.identity import HostIdentity


def identity(url: str) -> HostIdentity:
    return HostIdentity(
        host_id="h1",
        name="alpha",
        url=url,
        bind="0.0.0.0:8765",
        generation=1,
        boots=1,
        code_version="paglets-0",
        properties={},
    )


@pytest.fixture
def follow(monkeypatch):
    """Follows an address for a few looks; returns the URLs that were told."""
    monkeypatch.setattr(addressing, "_LOOK_EVERY", 0.001)

    async def follow_(me: HostIdentity, found: str | None) -> list[str]:
        looked, told = asyncio.Event(), []

        def outgoing(seeds: tuple[str, ...]) -> str | None:
            looked.set()
            return found

        monkeypatch.setattr(addressing, "outgoing_address", outgoing)
        task = asyncio.create_task(addressing.follow_address(me, (), told.append))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await looked.wait()
                while not told:  # noqa: ASYNC110 - a list wakes nobody
                    await asyncio.sleep(0)
        task.cancel()
        return told

    return follow_


async def test_a_new_address_is_told_and_advertised(follow):
    me = identity("http://192.0.2.7:8765")  # a documentation address: nobody's
    assert await follow(me, "10.0.0.9") == ["http://10.0.0.9:8765"]
    assert me.url == "http://10.0.0.9:8765"


async def test_while_the_address_is_still_its_own_nothing_changes(follow):
    me = identity("http://127.0.0.1:8765")
    assert await follow(me, "10.0.0.9") == []
    assert me.url == "http://127.0.0.1:8765"


async def test_without_any_network_the_last_address_stays(follow):
    me = identity("http://192.0.2.7:8765")
    assert await follow(me, None) == []
    assert me.url == "http://192.0.2.7:8765"


async def test_an_ipv6_address_is_bracketed(follow):
    me = identity("https://[2001:db8::1]:8443")
    assert await follow(me, "2001:db8::2") == ["https://[2001:db8::2]:8443"]
