"""A host whose address is gone tells the mesh its new one; one that has several keeps its own."""

import asyncio
import contextlib
from urllib.parse import urlsplit

import pytest

from paglets.host import addressing
from paglets.host.identity import HostIdentity
from paglets.model.errors import HostUnreachableError
from paglets.testing.waiting import turn


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

    def way(found: str | list[str] | None) -> str | None:
        if not isinstance(found, list):
            return found
        return found.pop(0) if len(found) > 1 else found[0]

    def name_of(url: str) -> str:
        return urlsplit(url).hostname or ""

    monkeypatch.setattr(addressing, "_LOOK_EVERY", 0.001)

    async def follow_(
        me: HostIdentity, found: str | None, **towards: str | list[str] | None
    ) -> list[str]:
        """Follow; `found` is the way to anywhere, `towards` that to each seed, by its name."""
        told: list[str] = []

        async def resolve(seed: str) -> tuple[str, ...]:
            if towards[name_of(seed)] is None:
                raise HostUnreachableError("no address yet", url=seed)
            return (seed,)

        monkeypatch.setattr(addressing, "outgoing_address", lambda seeds: found)
        monkeypatch.setattr(addressing, "resolve_seed", resolve)
        monkeypatch.setattr(addressing, "address_towards", lambda name: way(towards[name]))
        task = asyncio.create_task(addressing.follow_address(me, tuple(towards), told.append))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                while not told:
                    await turn()
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


async def test_an_address_that_was_guessed_gives_way_to_the_one_that_leads_to_a_seed(follow):
    me = identity("http://127.0.0.1:8765")
    told = await follow(me, "10.0.0.9", early=None, late="10.8.0.3")
    assert told == ["http://10.8.0.3:8765"]


async def test_once_a_seed_has_shown_the_way_no_other_one_is_taken(follow):
    me = identity("http://127.0.0.1:8765")
    assert await follow(me, "10.0.0.9", seed=["127.0.0.1", "10.8.0.3"]) == []


async def test_while_no_seed_has_an_address_the_guess_stays(follow):
    me = identity("http://127.0.0.1:8765")
    assert await follow(me, "10.0.0.9", early=None) == []


async def test_a_lost_address_is_replaced_though_no_seed_has_one(follow):
    me = identity("http://192.0.2.7:8765")
    assert await follow(me, "10.0.0.9", early=None) == ["http://10.0.0.9:8765"]


async def test_without_any_network_the_last_address_stays(follow):
    me = identity("http://192.0.2.7:8765")
    assert await follow(me, None) == []
    assert me.url == "http://192.0.2.7:8765"


async def test_an_ipv6_address_is_bracketed(follow):
    me = identity("https://[2001:db8::1]:8443")
    assert await follow(me, "2001:db8::2") == ["https://[2001:db8::2]:8443"]
