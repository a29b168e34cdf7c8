"""The asyncio driver on a network in memory; time is virtual, nothing sleeps."""

import asyncio
import logging
from random import Random

import pytest

from paglets.mesh.gossip import Mesh, MeshOptions
from paglets.mesh.instructions import GOSSIP_PATH, JOIN_PATH, SelfChange
from paglets.mesh.members import Change
from paglets.mesh.messages import PROTOCOL, Frame, Identity, Ping, encode_frame
from paglets.model.errors import (
    DeadlineError,
    ForbiddenError,
    HostUnreachableError,
    InvalidNameError,
    InvalidRequestError,
    TooLargeError,
    UnavailableError,
)
from paglets.testing.clock import elapse, run_virtual
from paglets.testing.network import Faults, MemoryNetwork, url_of


class Hosts:
    """Meshes by name on one network; stops them all at the end."""

    def __init__(self, network=None):
        self.network = network or MemoryNetwork()
        self.meshes = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for mesh in self.meshes.values():
            await mesh.stop()

    async def start(self, label, *, seeds=("a",), resolve=None, **fields):
        loop = asyncio.get_running_loop()
        values = {
            "host_id": f"id-{label}",
            "name": label,
            "url": url_of(label),
            "generation": 10,
            "code_version": "v1",
        }
        identity = Identity(**(values | fields))

        async def itself(seed):
            return (seed,)

        mesh = Mesh(
            identity,
            self.network.transport(label, identity.host_id),
            MeshOptions(
                seeds=tuple(seeds),
                resolve=resolve or itself,
                clock=loop.time,
                wall_clock=lambda: 1_000_000.0 + loop.time(),
                random=Random(label),
            ),
        )

        async def handler(path, body, sender):
            return await mesh.handle(path, body, sender_host_id=sender)

        self.network.serve(label, handler)
        self.meshes[label] = mesh
        await mesh.start()
        return mesh

    async def form(self, *names):
        meshes = [await self.start(name) for name in names]
        for mesh in meshes:
            for name in names:
                await mesh.wait_for_host(name, 60.0)
        return meshes


def on_loop(test):
    """Run an async test on a virtual loop."""

    def run():
        run_virtual(test())

    run.__name__ = test.__name__
    return run


def names_of(refs):
    return [ref.name for ref in refs]


@on_loop
async def test_hosts_find_each_other_through_one_seed():
    async with Hosts() as hosts:
        meshes = await hosts.form("a", "b", "c")
        assert all(names_of(mesh.hosts()) == ["a", "b", "c"] for mesh in meshes)
        assert asyncio.get_running_loop().time() < 3.0


@on_loop
async def test_a_seed_that_comes_up_late_is_found_all_the_same():
    async with Hosts() as hosts:
        early = await hosts.start("b")
        await elapse(100.0)
        assert list(early.seed_errors) == [url_of("a")]
        await hosts.start("a", seeds=())
        await early.wait_for_host("a", 5.0)
        assert early.seed_errors == {}


@on_loop
async def test_all_addresses_of_a_name_are_tried_anew_each_time_and_oneself_is_skipped():
    asked = []

    async def resolve(seed):
        asked.append(seed)
        return tuple(url_of(name) for name in ("me", "gone", "b"))

    async with Hosts() as hosts:
        me = await hosts.start("me", seeds=["mesh"], resolve=resolve)
        await elapse(10.0)
        assert len(asked) > 5
        assert set(asked) == {"http://mesh:8765"}
        await hosts.start("b", seeds=())
        await me.wait_for_host("b", 5.0)


@on_loop
async def test_a_name_that_does_not_resolve_is_said_once_and_tried_for_ever():
    async def resolve(seed):
        raise HostUnreachableError(f"{seed} has no address")

    async with Hosts() as hosts:
        mesh = await hosts.start("b", seeds=["nowhere"], resolve=resolve)
        await elapse(5.0)
        assert "no address" in mesh.seed_errors["http://nowhere:8765"]


@on_loop
async def test_a_killed_host_is_offline_and_later_back_when_it_restarts():
    async with Hosts() as hosts:
        a, b, _ = await hosts.form("a", "b", "c")
        await b.stop()
        hosts.network.remove("b")
        while (ref := a.lookup("b")).online:
            assert await a.wait_change(30.0)
        assert (ref.status, ref.error) == ("dead", None)
        assert names_of(a.usable_hosts()) == ["a", "c"]
        await hosts.start("b", generation=11)
        assert (await a.wait_for_host("b", 10.0)).generation == 11


@on_loop
async def test_a_host_that_leaves_is_gone_at_once_everywhere():
    async with Hosts() as hosts:
        a, b, c = await hosts.form("a", "b", "c")
        before = asyncio.get_running_loop().time()
        await b.leave()
        assert asyncio.get_running_loop().time() - before <= 2.5
        assert a.lookup("b").status == c.lookup("b").status == "left"


@on_loop
async def test_a_name_leads_to_the_newest_host_of_that_name():
    async with Hosts() as hosts:
        a, b = await hosts.form("a", "b")
        await b.stop()
        await hosts.start("b2", name="b", host_id="id-fresh", generation=3)
        while a.lookup("b").host_id != "id-fresh":
            assert await a.wait_change(10.0)
        assert hosts.meshes["b2"].identity.generation == 11
        assert a.by_id("id-b").online is False
        assert a.by_id("nobody") is None
        assert a.lookup("nobody") is None


@on_loop
async def test_hosts_with_other_code_are_listed_with_the_reason_and_never_usable():
    async with Hosts() as hosts:
        a = await hosts.start("a")
        await hosts.start("b", code_version="v2")
        while a.lookup("b") is None:
            assert await a.wait_change(10.0)
        ref = a.lookup("b")
        assert ref.online
        assert "v2 there, v1 here" in ref.error
        assert names_of(a.usable_hosts()) == ["a"]
        with pytest.raises(DeadlineError, match="other code"):
            await a.wait_for_host("b", 1.0)


@on_loop
async def test_what_a_host_says_of_itself_is_known_to_the_others():
    async with Hosts() as hosts:
        a = await hosts.start("a")
        b = await hosts.start("b", tags=("gpu",), properties={"zone": "x"}, capabilities=("cuda",))
        ref = await a.wait_for_host("b", 10.0)
        assert (ref.tags, ref.properties, ref.capabilities) == (("gpu",), {"zone": "x"}, ("cuda",))
        b.update(Identity("ignored", "b", url_of("b"), 99, "v1", tags=("cpu",)))
        while a.lookup("b").tags != ("cpu",):
            assert await a.wait_change(5.0)
        assert a.lookup("b").generation == 10


@on_loop
async def test_last_seen_is_by_our_own_wall_clock_and_stops_with_the_host():
    async with Hosts() as hosts:
        a, b = await hosts.form("a", "b")
        await b.stop()
        hosts.network.remove("b")
        await elapse(60.0)
        now = 1_000_000.0 + asyncio.get_running_loop().time()
        assert 50.0 < now - a.lookup("b").last_seen < 61.0
        assert a.lookup("a").last_seen == pytest.approx(now)


@on_loop
async def test_counts_and_records_are_known_everywhere_and_go_with_their_owner():
    async with Hosts() as hosts:
        a, b = await hosts.form("a", "b")
        b.set_counts(3, 4)
        b.set_record("service", "tokenizer", b"v1")
        assert [r.key for r in b.records("service")] == ["tokenizer"]
        while not a.records("service") or not a.lookup("b").active_count:
            assert await a.wait_change(10.0)
        found = a.records("service")[0]
        assert (found.host_id, found.payload) == ("id-b", b"v1")
        assert (a.lookup("b").active_count, a.lookup("b").inactive_count) == (3, 4)
        b.set_record("service", "tokenizer", None)
        while a.records("service"):
            assert await a.wait_change(10.0)
        await b.leave()
        assert a.lookup("b").active_count == 0


@on_loop
async def test_records_out_of_bounds_are_refused():
    async with Hosts() as hosts:
        mesh = await hosts.start("a")
        with pytest.raises(InvalidNameError):
            mesh.set_record("no name", "k", b"")
        with pytest.raises(TooLargeError):
            mesh.set_record("service", "k", b"x" * 4097)
        with pytest.raises(TooLargeError):
            mesh.set_record("service", "k" * 257, b"")
        mesh.set_record("service", "k" * 256, b"x" * 4096)


@on_loop
async def test_subscribers_are_told_of_every_change_and_a_broken_one_harms_nobody():
    async with Hosts() as hosts:
        a = await hosts.start("a")
        logging.getLogger("paglets.mesh.notices").disabled = True

        def broken(event):
            raise ValueError(event)

        seen = []
        a.subscribe(broken)
        end = a.subscribe(lambda event: seen.append((event.change, event.host.name)))
        b = await hosts.start("b")
        await a.wait_for_host("b", 5.0)
        await b.wait_for_host("a", 5.0)
        await b.leave()
        assert seen[0] == (Change.JOINED, "b")
        assert seen[-1] == (Change.LEFT, "b")
        end()
        count = len(seen)
        await hosts.start("c")
        await a.wait_for_host("c", 5.0)
        assert len(seen) == count
        logging.getLogger("paglets.mesh.notices").disabled = False


@on_loop
async def test_a_host_that_advertises_a_wrong_url_is_warned_by_its_seed():
    async with Hosts() as hosts:
        await hosts.start("a")
        b = await hosts.start("b", url=url_of("unreachable"))
        seen = []
        b.subscribe(lambda event: seen.append((event.change, event.text)))
        await elapse(3.0)
        assert b.reachability_warning.startswith("a cannot reach you at http://unreachable:8765")
        assert seen[-1][0] is SelfChange.UNREACHABLE or seen[0][0] is SelfChange.UNREACHABLE


@on_loop
async def test_a_warning_ends_when_a_peer_gets_through():
    faults = Faults()
    faults.block("a", "b")
    async with Hosts(MemoryNetwork(faults)) as hosts:
        await hosts.start("a")
        b = await hosts.start("b")
        faults.heal()
        faults.block("a", "b")
        await elapse(4.0)
        faults.heal()
        await b.wait_for_host("a", 30.0)
        await elapse(10.0)
        assert b.reachability_warning is None


@on_loop
async def test_a_restored_folder_is_noticed():
    async with Hosts() as hosts:
        a = await hosts.start("a")
        b = await hosts.start("b", boots=9)
        await a.wait_for_host("b", 5.0)
        assert not b.rolled_back
        await b.stop()
        again = await hosts.start("b", boots=4, generation=11)
        await again.wait_for_host("a", 5.0)
        assert (again.rolled_back, again.remembered_boots) == (True, 9)


@on_loop
async def test_a_peer_that_accepts_and_never_answers_slows_nobody():
    async with Hosts() as hosts:
        a, *_ = await hosts.form("a", "b", "c", "d")
        hosts.network.silent.add("d")
        await hosts.meshes["d"].stop()
        before = asyncio.get_running_loop().time()
        e = await hosts.start("e")
        await e.wait_for_host("b", 5.0)
        await a.wait_for_host("e", 5.0)
        assert asyncio.get_running_loop().time() - before < 2.0
        while a.lookup("d").online:
            assert await a.wait_change(30.0)
        assert {each.name for each in a.usable_hosts()} == {"a", "b", "c", "e"}


@on_loop
async def test_a_lossy_network_declares_nobody_dead():
    async with Hosts(MemoryNetwork(Faults(3, loss=0.1))) as hosts:
        a, *_ = await hosts.form("a", "b", "c", "d", "e")
        died = []
        a.subscribe(lambda event: died.append(event) if event.change is Change.DIED else None)
        await elapse(120.0)
        assert died == []
        assert len(a.usable_hosts()) == 5


@on_loop
async def test_waiting_for_a_host_that_never_comes_names_those_that_are_there():
    async with Hosts() as hosts:
        mesh = await hosts.start("a")
        with pytest.raises(DeadlineError, match=r"host b is unknown after 2\.0 s; usable hosts: a"):
            await mesh.wait_for_host("b", 2.0)
        assert not await mesh.wait_change(1.0)


@on_loop
async def test_a_hint_is_a_join_and_a_bad_one_is_refused():
    async with Hosts() as hosts:
        await hosts.start("a", seeds=())
        b = await hosts.start("b", seeds=())
        b.hint(url_of("a"))
        await b.wait_for_host("a", 5.0)
        before = hosts.network.requests
        b.hint(url_of("a"))
        await elapse(0.01)
        assert hosts.network.requests - before <= 2
        with pytest.raises(ValueError, match="address"):
            b.hint("http://169.254.169.254")


def ping(sender):
    return encode_frame(Frame(PROTOCOL, sender, 1, 0, 0, Ping()))


@on_loop
async def test_requests_that_are_wrong_are_refused():
    async with Hosts() as hosts:
        mesh = await hosts.start("a")
        with pytest.raises(InvalidRequestError):
            await mesh.handle(GOSSIP_PATH, b"nonsense", sender_host_id="x")
        with pytest.raises(InvalidRequestError, match="does not belong"):
            await mesh.handle(JOIN_PATH, ping("x"), sender_host_id="x")
        with pytest.raises(ForbiddenError):
            await mesh.handle(GOSSIP_PATH, ping("x"), sender_host_id="y")
        assert await mesh.handle(GOSSIP_PATH, ping("x"), sender_host_id=None)
        await mesh.stop()
        await mesh.stop()
        with pytest.raises(UnavailableError):
            await mesh.handle(GOSSIP_PATH, ping("x"), sender_host_id="x")


@on_loop
async def test_stopping_leaves_no_task_behind():
    async with Hosts() as hosts:
        await hosts.form("a", "b", "c")
    assert [task.get_name() for task in asyncio.all_tasks() if "mesh" in task.get_name()] == []


@on_loop
async def test_statistics_count_what_was_done():
    async with Hosts() as hosts:
        a, _ = await hosts.form("a", "b")
        await elapse(20.0)
        assert a.statistics.probes >= 18
        assert a.statistics.joins == 1
        assert a.statistics.bytes_sent > 1000 < a.statistics.bytes_received
        assert a.statistics.awareness == 0
