"""What people and other hosts see of the paglets of a host."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from paglets.model.enums import PagletStatus
from paglets.model.errors import InvalidRequestError, PagletNotFoundError, UnavailableError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import Epoch
from paglets.runtime.inspection import Inspection
from paglets.supervise.output import OutputRing
from paglets.wire.bodies import AgentInfo
from paglets.wire.calls import Failed, Inspect, Inspected, Snapshot
from paglets.wire.failures import encode_failure
from tests.unit.runtime.samples import ALPHA, BETA, MANIFEST, make_host, make_moving, make_row

STATE = msgspec.msgpack.encode({"count": 1})
LATER = msgspec.msgpack.encode({"count": 2})


@pytest.fixture
def inspection(bench):
    return Inspection(bench.roster, bench.commits, bench.quiescer, bench.forwarding)


async def running(bench, answer):
    """Return a paglet whose process answers an inspection so."""
    bench.starter.answers[Inspect] = answer
    paglet = await bench.put(make_row(state=STATE))
    await bench.activity.revive(paglet, "recovered")
    return paglet


def shows(**fields):
    return lambda frame: Inspected(call=frame.call, snapshot=Snapshot(**fields))


async def ids(inspection, **wanted):
    return [info.agent_id for info in (await inspection.list(**wanted)).agents]


async def test_a_running_paglet_shows_its_process_place_and_queue(bench, inspection):
    paglet = await running(bench, shows(data=LATER, size=len(LATER)))
    info = await inspection.info("tour")
    assert (info.status, info.pid, info.queued) == ("active", paglet.link.process.pid, 0)
    assert (info.host_name, info.host_url) == (ALPHA.name, ALPHA.url)
    assert (info.class_name, info.state_bytes) == (MANIFEST.class_name, len(STATE))


async def test_a_sleeper_shows_when_it_wakes_and_no_process(bench, inspection):
    wake_at = datetime(2031, 1, 2, tzinfo=UTC)
    policy = DeactivationPolicy(activate_at=wake_at)
    await bench.put(make_row(PagletStatus.INACTIVE, policy=policy))
    info = await inspection.info("tour")
    assert (info.status, info.pid, info.activate_at) == ("inactive", None, wake_at.timestamp())


async def test_a_paglet_in_doubt_shows_its_transfer_and_where_to(bench, inspection):
    await bench.put(make_moving())
    info = await inspection.info("tour")
    assert (info.status, info.transfer_id, info.peer) == ("moving", "t1", BETA)


async def test_of_nobody_there_is_nothing_to_see(inspection):
    with pytest.raises(PagletNotFoundError, match="nobody"):
        await inspection.info("nobody")


async def test_who_is_here_is_found_without_asking_others(bench, inspection):
    await bench.put(make_row())
    assert (await inspection.find("tour")).host_name == ALPHA.name
    assert bench.calls.made == []


async def test_who_has_moved_is_looked_for_where_it_went(bench, inspection):
    await bench.put(make_row(PagletStatus.MOVED, peer=BETA, epoch=Epoch(0, 1)))
    there = AgentInfo(
        agent_id="tour", class_name="tour:Tour", status="active", host_name="beta",
        host_url=BETA.url, epoch=Epoch(0, 1), birth_id="birth",
    )  # fmt: skip
    bench.hosts.known = [make_host(BETA)]
    bench.calls.answer("locate", there)
    assert (await inspection.find("tour")).host_name == "beta"


async def test_a_list_is_by_id_a_page_at_a_time_and_tells_how_many_there_are(bench, inspection):
    for agent_id in ("c", "a", "b"):
        await bench.put(make_row(PagletStatus.CRASHED, agent_id=agent_id))
    first = await inspection.list(limit=2)
    assert ([info.agent_id for info in first.agents], first.next, first.total) == (
        ["a", "b"],
        "b",
        3,
    )
    rest = await inspection.list(limit=2, after=first.next)
    assert ([info.agent_id for info in rest.agents], rest.next, rest.total) == (["c"], None, 3)


async def test_a_page_that_holds_the_last_has_no_next(bench, inspection):
    await bench.put(make_row(PagletStatus.CRASHED))
    assert (await inspection.list(limit=1)).next is None


async def test_tombstones_are_listed_only_when_asked_for(bench, inspection):
    await bench.put(make_row(PagletStatus.MOVED, agent_id="gone", peer=BETA))
    await bench.put(make_row(PagletStatus.CRASHED, agent_id="here"))
    assert await ids(inspection) == ["here"]
    assert await ids(inspection, status="moved") == ["gone"]


async def test_a_list_is_narrowed_by_status_class_and_beginning_of_the_id(bench, inspection):
    await bench.put(make_row(PagletStatus.CRASHED, agent_id="a1"))
    await bench.put(make_row(PagletStatus.INACTIVE, agent_id="a2", policy=DeactivationPolicy()))
    await bench.put(make_row(PagletStatus.CRASHED, agent_id="b1"))
    assert await ids(inspection, status="crashed") == ["a1", "b1"]
    assert await ids(inspection, prefix="a") == ["a1", "a2"]
    assert await ids(inspection, status="crashed", prefix="b") == ["b1"]
    assert await ids(inspection, class_name="tour:Tour", prefix="b") == ["b1"]
    assert await ids(inspection, class_name="tour:Other") == []


async def test_a_status_that_there_is_not_is_refused_with_those_there_are(inspection):
    with pytest.raises(InvalidRequestError, match=r"'asleep'.*inactive"):
        await inspection.list(status="asleep")


async def test_the_state_of_a_running_paglet_is_the_present_one(bench, inspection):
    await running(bench, shows(data=LATER, size=len(LATER)))
    assert json.loads(await inspection.state("tour")) == {"count": 2}


async def test_a_state_too_large_for_the_pipe_is_read_from_its_file_which_goes(
    bench, inspection, tmp_path
):
    path = tmp_path / "state"
    path.write_bytes(LATER)
    await running(bench, shows(path=str(path), size=len(LATER)))
    assert json.loads(await inspection.state("tour")) == {"count": 2}
    assert not path.exists()


async def test_the_state_of_a_sleeper_is_its_last_commit(bench, inspection):
    row = make_row(PagletStatus.INACTIVE, state=STATE, policy=DeactivationPolicy())
    await bench.put(row)
    assert json.loads(await inspection.state("tour")) == {"count": 1}


async def test_a_process_that_dies_while_it_is_asked_shows_its_last_commit(bench, inspection):
    paglet = await running(bench, lambda _frame: paglet.link.process.exit(-9))
    assert json.loads(await inspection.state("tour")) == {"count": 1}


async def test_a_state_that_cannot_be_shown_says_why(bench, inspection):
    failure = encode_failure(UnavailableError("the state lock is held"))
    await running(bench, lambda frame: Failed(call=frame.call, failure=failure))
    with pytest.raises(UnavailableError, match="lock is held"):
        await inspection.state("tour")


async def test_the_state_of_a_paglet_that_moved_is_not_here_and_says_where_it_is(bench, inspection):
    await bench.put(make_row(PagletStatus.MOVED, peer=BETA))
    with pytest.raises(PagletNotFoundError, match="moved to beta"):
        await inspection.state("tour")


def printed(text, **options):
    ring = OutputRing(**options)
    ring.feed(text.encode())
    return ring


async def test_what_a_paglet_printed_last_is_shown_also_from_before_its_last_start(
    bench, inspection
):
    paglet = await bench.put(make_row(PagletStatus.CRASHED))
    paglet.earlier_output, paglet.output = printed("a\nb\n"), printed("c\n")
    shown = await inspection.logs("tour", 2)
    assert (shown.lines, shown.start, shown.truncated) == (("b", "c"), 1, True)
    whole = await inspection.logs("tour", 10)
    assert (whole.lines, whole.start, whole.truncated) == (("a", "b", "c"), 0, False)


async def test_lines_that_were_let_go_count_for_those_who_follow(bench, inspection):
    paglet = await bench.put(make_row(PagletStatus.CRASHED))
    paglet.output = printed("one\ntwo\nthree\n", limit_bytes=10)
    shown = await inspection.logs("tour", 10)
    assert (shown.lines, shown.start, shown.truncated) == (("two", "three"), 1, True)


async def test_a_paglet_that_has_printed_nothing_shows_nothing(bench, inspection):
    await bench.put(make_row(PagletStatus.CRASHED))
    shown = await inspection.logs("tour", 10)
    assert (shown.lines, shown.start, shown.truncated) == ((), 0, False)
