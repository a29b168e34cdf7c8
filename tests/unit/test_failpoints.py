"""Failpoints: what arms them, when they act, and that those in the code are declared."""

import asyncio
import errno
import re
from pathlib import Path

import pytest

from paglets import failpoints
from paglets.failpoints import (
    FAILPOINTS,
    FailpointAction,
    FailpointError,
    arm,
    arm_from_environment,
    disarm,
    failpoint,
    failpoint_async,
    parse_failpoints,
)
from paglets.testing.waiting import turn

PACKAGE = Path(failpoints.__file__).parent


@pytest.fixture(autouse=True)
def disarmed():
    yield
    disarm()


def acts(name: str) -> bool:
    try:
        failpoint(name)
    except FailpointError:
        return True
    return False


def test_nothing_armed_does_nothing():
    failpoint("store.commit")


def test_an_entry_has_action_seconds_times_and_first_hit():
    armings = parse_failpoints("offer.before_send=pause:0.5*2@3 ; store.commit=enospc")

    assert armings["offer.before_send"].action is FailpointAction.PAUSE
    assert armings["offer.before_send"].seconds == 0.5
    assert [armings["offer.before_send"].acts_on(hit) for hit in range(1, 6)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert armings["store.commit"].acts_on(1_000)


@pytest.mark.parametrize(
    "text",
    [
        "store.comit=raise",
        "store.commit",
        "store.commit=explode",
        "store.commit=pause",
        "store.commit=kill9:3",
        "store.commit=raise;store.commit=enospc",
        "store.commit=raise*x",
    ],
)
def test_an_unknown_name_or_shape_is_an_error_at_start(text):
    with pytest.raises(ValueError, match="failpoint"):
        arm_from_environment({"PAGLETS_FAILPOINTS": text})


def test_raise_acts_on_the_first_hits_only():
    arm("store.commit=raise*2")

    assert [acts("store.commit") for _ in range(4)] == [True, True, False, False]


def test_acts_only_from_the_named_hit_on():
    arm("store.commit=raise@3")

    assert [acts("store.commit") for _ in range(4)] == [False, False, True, True]


def test_enospc_raises_what_a_full_disk_raises():
    arm("spool.write=enospc")

    with pytest.raises(OSError, match="failpoint spool") as caught:
        failpoint("spool.write")

    assert caught.value.errno == errno.ENOSPC


async def test_an_async_pause_lets_the_loop_go_on():
    arm("offer.before_send=pause:60")
    paused = asyncio.create_task(failpoint_async("offer.before_send"))

    await turn()

    assert not paused.done()
    paused.cancel()
    await asyncio.wait([paused], timeout=1)


def test_hits_are_logged_before_they_act(tmp_path):
    log = tmp_path / "hits"
    arm("store.commit=raise@2", log=log)

    assert [acts("store.commit") for _ in range(2)] == [False, True]
    failpoint("spool.write")

    assert log.read_text().splitlines() == [
        "store.commit 1 -",
        "store.commit 2 raise",
        "spool.write 1 -",
    ]


def test_an_undeclared_name_is_refused_once_anything_is_armed():
    arm("store.commit=raise")

    with pytest.raises(FailpointError, match="not declared"):
        failpoint("no.such_place")


def test_every_failpoint_in_the_code_is_declared():
    call = re.compile(r"""(?:failpoint(?:_async)?\(|label=)\s*["']([a-z_.]+)["']""")
    named = {name for path in PACKAGE.rglob("*.py") for name in call.findall(path.read_text())}

    assert named - set(FAILPOINTS) == set()


def test_every_failpoint_says_in_a_sentence_where_it_stands():
    assert all(text.endswith(".") and len(text) > 20 for text in FAILPOINTS.values())
