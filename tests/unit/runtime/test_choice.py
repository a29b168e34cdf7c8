"""Which provider is taken, and what is said where there is none."""

import pytest

from paglets.model.enums import ServiceScope
from paglets.model.refs import Epoch
from paglets.runtime.choice import Standing, drawn, matching, newest, ranked, why_not
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_ref


def record(place=ALPHA, agent_id="a", **fields):
    epoch, birth_id = fields.pop("epoch", Epoch()), fields.pop("birth_id", agent_id)
    return ServiceBody(
        name=fields.pop("name", "tokenizer"),
        version=fields.pop("version", "1"),
        provider=make_ref(place, agent_id=agent_id, epoch=epoch, birth_id=birth_id),
        host_name=place.name,
        **fields,
    )


def hosts(records):
    return [each.host_name for each in records]


def query(**fields):
    return LookupCall(name=fields.pop("name", "tokenizer"), **fields)


SAMPLE = record(version="2", operations=("split", "join"), capabilities=("gpu", "big"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
        ({"name": ""}, True),
        ({"name": "token"}, False),
        ({"version": "2"}, True),
        ({"version": "1"}, False),
        ({"version": "2.0"}, False),
        ({"operations": ("split",)}, True),
        ({"operations": ("split", "count")}, False),
        ({"capabilities": ("gpu", "big")}, True),
        ({"capabilities": ("fpga",)}, False),
        ({"host": "alpha"}, True),
        ({"host": "beta"}, False),
    ],
)
def test_a_match_is_name_exact_version_and_all_that_is_asked_for(wanted, expected):
    assert matching([SAMPLE], query(**wanted)) == ([SAMPLE] if expected else [])


def test_a_local_provider_comes_first_however_loaded_its_host_is():
    standings = {
        ALPHA.host_id: Standing(is_elsewhere=False, load=9, active=100),
        BETA.host_id: Standing(load=0, active=0),
    }
    assert hosts(ranked([record(BETA), record(ALPHA)], standings)) == ["alpha", "beta"]


def test_of_other_hosts_the_least_loaded_comes_first_then_the_one_with_fewest_paglets():
    standings = {
        ALPHA.host_id: Standing(load=2, active=0),
        BETA.host_id: Standing(load=1, active=9),
        GAMMA.host_id: Standing(load=1, active=3),
    }
    found = ranked([record(ALPHA), record(BETA), record(GAMMA)], standings)
    assert hosts(found) == ["gamma", "beta", "alpha"]


def test_a_host_that_may_be_gone_comes_last():
    standings = {
        ALPHA.host_id: Standing(is_doubtful=True),
        BETA.host_id: Standing(load=50, active=99),
    }
    assert hosts(ranked([record(ALPHA), record(BETA)], standings)) == ["beta", "alpha"]


def test_equally_good_providers_stay_in_the_order_in_which_they_came():
    found = [record(BETA, "b"), record(GAMMA, "c"), record(BETA, "a")]
    assert ranked(found, {}) == tuple(found)


def test_a_draw_depends_on_its_seed_alone_and_every_one_may_come_first():
    records = [record(BETA, f"a{number}") for number in range(5)]
    assert drawn(records, 3) == drawn(records[::-1], 3)
    firsts = {drawn(records, seed)[0].provider.agent_id for seed in range(100)}
    assert firsts == {f"a{number}" for number in range(5)}


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_provider_known_at_two_hosts_the_higher_epoch_is_believed(order):
    old, new = record(ALPHA, epoch=Epoch(0, 3)), record(BETA, epoch=Epoch(0, 4))
    assert newest([old, new][::order]) == [new]


def test_paglets_of_one_fixed_id_on_several_hosts_are_all_providers():
    residents = [record(place, "server-info", birth_id=place.name) for place in (ALPHA, BETA)]
    unborn = [record(place, "lazy", birth_id="") for place in (ALPHA, BETA)]
    assert newest(residents) == residents
    assert newest(unborn) == unborn


def test_two_contracts_of_one_provider_are_both_kept():
    both = [record(version="1"), record(version="2")]
    assert newest(both) == both


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"version": "3"}, "nobody provides tokenizer version 3 (mesh); versions there are: 2"),
        ({"host": "beta"}, "nobody provides tokenizer on beta (mesh); hosts that do: alpha"),
        (
            {"operations": ("count",)},
            "nobody provides tokenizer with operation count (mesh); "
            "operations there are: join, split",
        ),
        (
            {"capabilities": ("fpga",)},
            "nobody provides tokenizer with capability fpga (mesh); "
            "capabilities there are: big, gpu",
        ),
    ],
)
def test_where_nobody_serves_the_first_unfulfilled_demand_is_named_with_what_there_is(
    wanted, reason
):
    missing = why_not(query(**wanted), [SAMPLE], [])
    assert (missing.reason, missing.versions) == (reason, ("2",))


def test_a_service_that_only_unusable_hosts_have_says_so():
    missing = why_not(query(version="1"), [], ["gamma", "beta", "gamma"])
    assert "except beta, gamma, which cannot be used now" in missing.reason
    assert "paglets mesh hosts" in missing.reason


def test_a_service_nobody_has_names_the_next_step():
    missing = why_not(query(version="1", scope=ServiceScope.LOCAL), [], [])
    assert missing.reason == (
        "nobody provides tokenizer version 1 (local); `paglets service list` shows what there is"
    )
    assert missing.versions == ()
