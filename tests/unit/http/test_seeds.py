"""Seeds are asked for ever, in any order, whatever they answer."""

import asyncio

import pytest

from paglets.config.keys import Keyring, new_key
from paglets.model.errors import HostNotFoundError
from paglets.model.refs import HostRef
from paglets.remote.seeds import SeedPeers, SeedTiming
from tests.unit.http.fakes import serve, until

FAST = SeedTiming(interval=0.01, retry=0.01, retry_limit=0.02, timeout=1.0)
SELF = HostRef("self", "http://127.0.0.1:1", host_id="h0", generation=1)


def seeds(session, *urls):
    return SeedPeers(session, urls, lambda: SELF, FAST)


async def test_a_seed_that_answers_is_known_and_online():
    async with serve() as served, served.session() as session, seeds(session, served.url) as peers:
        ref = await peers.wait_for_host("alpha", timeout=5.0)
        assert (ref.host_id, ref.generation, ref.online) == ("h1", 7, True)
        assert peers.by_id("h1") == peers.lookup("alpha")
        assert [found.name for found in peers.hosts()] == ["alpha"]


async def test_this_host_is_found_but_not_listed():
    async with (
        serve(host_id="h0") as served,
        served.session() as session,
        seeds(session, served.url) as peers,
    ):
        assert peers.lookup("self") == peers.by_id("h0") == peers.self_ref() == SELF
        assert peers.hosts() == ()


async def test_a_seed_that_goes_is_marked_offline_and_found_again():
    ring = Keyring((new_key(),))
    async with (
        serve(keyring=ring) as served,
        served.session() as session,
        seeds(session, served.url) as peers,
    ):
        await peers.wait_for_host("alpha", timeout=5.0)
        await served.server.stop(0.0)
        await until(lambda: not peers.lookup("alpha").online)
        async with serve(keyring=ring, port=served.port, generation=8):
            assert (await peers.wait_for_host("alpha", timeout=5.0)).online


async def test_seeds_that_are_down_or_have_another_key_do_not_hold_up_the_others(caplog):
    async with (
        serve() as served,
        serve() as stranger,
        served.session() as session,
        seeds(session, "http://127.0.0.1:9", stranger.url, served.url) as peers,
    ):
        assert (await peers.wait_for_host("alpha", timeout=5.0)).url
        await until(lambda: caplog.text.count("seed did not answer") == 2)


async def test_waiting_for_a_host_ends_and_names_those_that_are_known():
    async with serve() as served, served.session() as session, seeds(session, served.url) as peers:
        await peers.wait_for_host("alpha", timeout=5.0)
        with pytest.raises(HostNotFoundError, match="known: alpha"):
            await peers.wait_for_host("gamma", timeout=0.01)


async def test_closing_ends_every_task():
    async with serve() as served, served.session() as session:
        async with seeds(session, served.url):
            pass
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("seed")]
