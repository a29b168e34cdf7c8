"""Records that paglets publish: whose they are, how many, and when they go."""

import asyncio

import msgspec
import pytest

from paglets.mesh.directory import MeshRecord
from paglets.model.errors import (
    FullError,
    InvalidNameError,
    InvalidRequestError,
    LifecycleError,
    TooLargeError,
)
from paglets.runtime.childlink import ChildLink
from paglets.runtime.published import (
    KIND_LIMIT,
    PAGE_BYTES,
    PAYLOAD_LIMIT_BYTES,
    PER_HOST,
    PER_PAGLET,
    Published,
    gossip_kind,
)
from paglets.runtime.roster import Roster
from paglets.runtime.tasks import Tasks
from paglets.testing.clock import elapse, run_virtual
from paglets.testing.waiting import turn
from paglets.wire.calls import HostCall
from paglets.wire.hostcalls import PublishCall, RecordsCall
from tests.unit.runtime.fakes import FakeHosts, FakeProcess, until
from tests.unit.runtime.samples import ALPHA, BETA, make_host, make_row

CALL = HostCall(call=1, op="publish", body=b"")


class Gossip:
    """What the mesh was told, and what it tells."""

    def __init__(self):
        self.told = []
        self.known = []

    def set_record(self, kind, key, payload, *, lazy=False):
        self.told.append((kind, key, payload, lazy))

    def records(self, kind):
        return [record for record in self.known if record.kind == kind]


@pytest.fixture
def gossip():
    return Gossip()


@pytest.fixture
async def published(gossip, bench):
    return Published(gossip, FakeHosts(make_host(BETA)), bench.tasks)


@pytest.fixture
def paglet(bench):
    def make(agent_id="tour"):
        found = bench.roster.put(make_row(agent_id=agent_id))
        found.link = ChildLink(agent_id, FakeProcess(), lambda link, call: None)
        return found

    return make


def call(kind="load", payload=b"1", ttl=None):
    return PublishCall(kind=kind, payload=payload, ttl=ttl)


async def test_a_record_is_told_lazily_under_a_name_of_paglets_own(published, gossip, paglet):
    await published.publish(paglet(), call(), CALL)
    assert gossip.told == [("paglet.load", "tour", b"1", True)]


async def test_a_withdrawn_record_is_taken_back_at_once(published, gossip, paglet):
    tour = paglet()
    await published.publish(tour, call(), CALL)
    await published.publish(tour, call(payload=None), CALL)
    assert gossip.told[-1] == ("paglet.load", "tour", None, False)


@pytest.mark.parametrize("kind", ["service", "counts", "paglet.load"])
async def test_no_paglet_can_pass_for_another_part_of_the_host(published, gossip, paglet, kind):
    await published.publish(paglet(), call(kind), CALL)
    assert gossip.told[0][0] == f"paglet.{kind}"


async def test_the_end_of_the_process_withdraws_all_it_published(published, gossip, paglet):
    tour = paglet()
    for kind in ("load", "queue"):
        await published.publish(tour, call(kind), CALL)
    tour.link.process.exit(0)
    await until(lambda: len(gossip.told) == 4)
    assert {told[:3] for told in gossip.told[2:]} == {
        ("paglet.load", "tour", None), ("paglet.queue", "tour", None),
    }  # fmt: skip


async def test_what_a_new_process_has_published_stays(published, gossip, paglet):
    tour = paglet()
    first = tour.link
    await published.publish(tour, call("load"), CALL)
    await published.publish(tour, call("queue"), CALL)
    tour.link = ChildLink("tour", FakeProcess(), lambda link, call: None)
    await published.publish(tour, call("load", b"2"), CALL)
    first.process.exit(-9)
    await until(lambda: len(gossip.told) == 4)
    assert gossip.told[3] == ("paglet.queue", "tour", None, False)


async def test_a_kept_record_is_told_again_only_where_its_value_is_another(
    published, gossip, paglet
):
    tour = paglet()
    for payload in (b"1", b"1", b"2", b"2", b"1"):
        await published.publish(tour, call(payload=payload, ttl=60.0), CALL)
    assert [payload for _, _, payload, _ in gossip.told] == [b"1", b"2", b"1"]


async def test_one_that_is_not_kept_is_told_each_time_as_its_age_counts(published, gossip, paglet):
    tour = paglet()
    for ttl in (None, None, 60.0, None):
        await published.publish(tour, call(ttl=ttl), CALL)
    assert len(gossip.told) == 4


def in_virtual_time(scenario):
    """Return what the mesh was told while time passed for a paglet that publishes."""
    gossip = Gossip()

    async def run():
        tasks = Tasks()
        tour = Roster(ALPHA.host_id).put(make_row(agent_id="tour"))
        tour.link = ChildLink("tour", FakeProcess(), lambda link, call: None)
        published = Published(gossip, FakeHosts(), tasks)
        await scenario(tour, lambda **kept: published.publish(tour, call(**kept), CALL))
        await tasks.close(timeout=5)

    run_virtual(run())
    return [payload for _, _, payload, _ in gossip.told]


def test_a_kept_record_goes_when_it_is_not_published_again_in_time():
    async def scenario(_tour, publish):
        await publish(ttl=30.0)
        await elapse(20.0)
        await publish(ttl=30.0)
        await elapse(29.9)

    assert in_virtual_time(scenario) == [b"1"]

    async def longer(tour, publish):
        await scenario(tour, publish)
        await elapse(0.2)
        await publish(ttl=30.0)

    assert in_virtual_time(longer) == [b"1", None, b"1"], "its process lives on"


def test_one_that_was_kept_stays_once_it_is_published_to_stay():
    async def scenario(_tour, publish):
        await publish(ttl=30.0)
        await publish()
        await elapse(3600.0)

    assert in_virtual_time(scenario) == [b"1", b"1"]


def test_what_a_new_process_keeps_outlives_the_old_ones_time():
    async def scenario(tour, publish):
        await publish(ttl=30.0)
        tour.link = ChildLink("tour", FakeProcess(), lambda link, call: None)
        await elapse(20.0)
        await publish(ttl=30.0)
        await elapse(20.0)

    assert in_virtual_time(scenario) == [b"1", b"1"]

    async def longer(tour, publish):
        await scenario(tour, publish)
        await elapse(20.0)

    assert in_virtual_time(longer) == [b"1", b"1", None]


@pytest.mark.parametrize("ttl", [0.5, -1.0, float("inf"), float("nan")])
async def test_no_record_is_kept_for_a_time_that_makes_no_sense(published, gossip, paglet, ttl):
    with pytest.raises(InvalidRequestError, match="cannot be kept for"):
        await published.publish(paglet(), call(ttl=ttl), CALL)
    assert gossip.told == []


async def test_without_a_process_nothing_is_published(published, gossip, paglet, bench):
    tour = paglet()
    tour.link.process.exit(0)
    await tour.link.wait_exit()
    with pytest.raises(LifecycleError, match="no process any more"):
        await published.publish(tour, call(), CALL)
    tour.link = None
    with pytest.raises(LifecycleError, match="no process any more"):
        await published.publish(tour, call(), CALL)
    assert gossip.told == []


async def test_values_at_the_limit_are_taken_and_larger_ones_refused(published, paglet):
    tour = paglet()
    await published.publish(tour, call(payload=b"x" * PAYLOAD_LIMIT_BYTES), CALL)
    with pytest.raises(TooLargeError, match=f"{PAYLOAD_LIMIT_BYTES + 1} bytes"):
        await published.publish(tour, call(payload=b"x" * (PAYLOAD_LIMIT_BYTES + 1)), CALL)


def test_kinds_are_names_of_a_bounded_length():
    assert gossip_kind("k" * KIND_LIMIT) == "paglet." + "k" * KIND_LIMIT
    with pytest.raises(TooLargeError):
        gossip_kind("k" * (KIND_LIMIT + 1))
    with pytest.raises(InvalidNameError):
        gossip_kind("no name")


async def test_a_paglet_has_so_many_kinds_and_no_more(published, gossip, paglet):
    tour = paglet()
    for number in range(PER_PAGLET):
        await published.publish(tour, call(f"k{number}"), CALL)
    await published.publish(tour, call("k0", b"2"), CALL)
    with pytest.raises(FullError, match=f"at most {PER_PAGLET}"):
        await published.publish(tour, call("more"), CALL)
    await published.publish(tour, call("k0", None), CALL)
    await published.publish(tour, call("more"), CALL)
    assert gossip.told[-1][0] == "paglet.more"


async def test_the_paglets_of_a_host_have_so_many_records_and_no_more(published, paglet):
    full = [paglet(f"a{number}") for number in range(PER_HOST // PER_PAGLET)]
    for each in full:
        for number in range(PER_PAGLET):
            await published.publish(each, call(f"k{number}"), CALL)
    late = paglet("late")
    with pytest.raises(FullError, match=f"at most {PER_HOST}"):
        await published.publish(late, call(), CALL)
    full[0].link.process.exit(0)

    async with asyncio.timeout(5):
        while True:
            try:
                await published.publish(late, call(), CALL)
            except FullError:
                await turn()
            else:
                break


def record(peer=ALPHA, key="tour", payload=b"1", age=2.5, kind="paglet.load"):
    return MeshRecord(peer.host_id, kind, key, 1, payload, age)


async def test_records_are_listed_with_host_and_age(published, gossip):
    gossip.known = [record(BETA), record(), record(kind="service"), record(kind="load")]
    page = published.page(RecordsCall(kind="load"))
    assert [(r.host_name, r.agent_id, r.age) for r in page.records] == [
        ("alpha", "tour", 2.5), ("beta", "tour", 2.5),
    ]  # fmt: skip
    assert page.is_last


async def test_a_record_of_a_host_that_has_just_gone_is_left_out(published, gossip):
    gossip.known = [MeshRecord("id-gone", "paglet.load", "tour", 1, b"1", 0.0), record()]
    assert len(published.page(RecordsCall(kind="load")).records) == 1


async def test_many_records_come_in_pages_that_fit_into_a_message(published, gossip):
    payload = b"x" * PAYLOAD_LIMIT_BYTES
    gossip.known = [record(key=f"a{number:04}", payload=payload) for number in range(150)]
    found, after = [], ("", "")
    while True:
        page = published.page(RecordsCall(kind="load", after=after))
        assert len(msgspec.msgpack.encode(page)) < 2 * PAGE_BYTES
        found += page.records
        if page.is_last:
            break
        after = (found[-1].host_id, found[-1].agent_id)
    assert [r.agent_id for r in found] == [f"a{number:04}" for number in range(150)]
