"""Which hosts suit a need: every limit at, below and above; reasons; order."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model.errors import InvalidRequestError
from paglets.model.refs import HostRef
from paglets.system.mesh_info.contract import SHOWN_LIMIT, Snapshot, TargetQuery
from paglets.system.mesh_info.ranking import (
    HELD_FOR,
    Candidate,
    rank,
    usual_max_age,
)

GIB = 2**30
FIGURES = Snapshot(
    cpus=4.0,
    cpu_use=0.25,
    load_per_cpu=0.5,
    memory_total_bytes=16 * GIB,
    memory_available_bytes=8 * GIB,
    disk_free_bytes=100 * GIB,
    temp_free_bytes=50 * GIB,
    gpu_free_bytes=(10 * GIB, 20 * GIB),
)
HOST = HostRef(
    "alpha", "http://alpha:1", host_id="id-alpha", generation=1, tags=("gpu", "ssd"),
    capabilities=("docker",),
)  # fmt: skip


def candidate(name="alpha", *, age=1.0, host=None, **figures):
    named = replace(HOST, name=name, url=f"http://{name}:1", host_id=f"id-{name}")
    return Candidate(replace(named, **(host or {})), replace(FIGURES, **figures), age)


def names(ranking):
    return [target.host_name for target in ranking.targets]


def why_not(query, *candidates):
    """Return the reasons against the one host that is rejected."""
    ranking = rank(query, candidates or [candidate()])
    (rejection,) = ranking.rejected
    return list(rejection.reasons)


@pytest.mark.parametrize(
    ("limit", "below", "above", "reason"),
    [
        ("cpus", 4.0, 4.1, "has 4 cores, 4.1 wanted"),
        ("memory_bytes", 8 * GIB, 9 * GIB, "has 8.0 GiB of memory free, 9.0 GiB wanted"),
        ("disk_bytes", 100 * GIB, 101 * GIB, "has 100.0 GiB of disk free, 101.0 GiB wanted"),
        ("temp_bytes", 50 * GIB, 51 * GIB, "has 50.0 GiB of temporary space free, 51.0 GiB wanted"),
        ("gpus", 2, 3, "has 2 GPUs free, 3 wanted"),
        ("gpu_memory_bytes", 20 * GIB, 21 * GIB, "has 0 GPUs with 21.0 GiB free, 1 wanted"),
    ],
)
def test_a_least_amount_is_met_at_and_above_it_and_not_below(limit, below, above, reason):
    assert names(rank(TargetQuery(**{limit: below}), [candidate()])) == ["alpha"]
    assert names(rank(TargetQuery(**{limit: 0}), [candidate()])) == ["alpha"]
    assert why_not(TargetQuery(**{limit: above})) == [reason]


def test_load_is_met_at_and_below_the_most_and_not_above():
    for most in (0.5, 0.6):
        assert names(rank(TargetQuery(max_load_per_cpu=most), [candidate()])) == ["alpha"]
    query = TargetQuery(max_load_per_cpu=0.49)
    assert why_not(query) == ["load is 0.5 a CPU, at most 0.49 wanted"]
    assert why_not(TargetQuery(max_load_per_cpu=0.0)) == ["load is 0.5 a CPU, at most 0 wanted"]


def test_figures_count_at_the_age_that_is_allowed_and_not_beyond():
    assert names(rank(TargetQuery(max_age=5.0), [candidate(age=5.0)])) == ["alpha"]
    query = TargetQuery(max_age=5.0)
    assert why_not(query, candidate(age=6.0)) == ["figures are 6 s old, at most 5 s count"]
    usual = usual_max_age(1)
    assert names(rank(TargetQuery(), [candidate(age=usual)])) == ["alpha"]
    assert names(rank(TargetQuery(), [candidate(age=usual + 0.1)])) == []


def test_figures_may_be_older_in_a_mesh_that_tells_changes_more_seldom():
    assert HELD_FOR < usual_max_age(1) == usual_max_age(16) < 2 * HELD_FOR
    assert 10 * usual_max_age(16) < usual_max_age(1000) < 1000
    assert rank(TargetQuery(), [candidate()]).max_age == usual_max_age(1)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (TargetQuery(tags=("gpu", "big", "red")), "lacks tag big, red"),
        (TargetQuery(without_tags=("ssd", "big")), "has tag ssd"),
        (TargetQuery(capabilities=("docker", "kvm")), "lacks capability kvm"),
        (TargetQuery(hosts=("beta", "gamma")), "is not one of beta, gamma"),
        (TargetQuery(exclude_hosts=("alpha",)), "is excluded"),
    ],
)
def test_what_a_host_is_counts(query, reason):
    assert why_not(query) == [reason]


def test_a_host_with_all_that_is_asked_for_suits():
    query = TargetQuery(
        tags=("gpu", "ssd"), without_tags=("big",), capabilities=("docker",), hosts=("alpha",),
        exclude_hosts=("beta",),
    )  # fmt: skip
    (target,) = rank(query, [candidate()]).targets
    assert "has tag gpu, ssd" in target.reasons
    assert "has capability docker" in target.reasons


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ({"online": False, "status": "dead"}, "is dead"),
        ({"online": False, "status": "left"}, "has left"),
        ({"online": False}, "is offline"),
        ({"status": "suspect"}, "does not answer at the moment (suspect)"),
        ({"error": "beta runs other code"}, "beta runs other code"),
        ({"error": "alpha drains: it takes no paglets any more"}, "alpha drains: it takes no paglets any more"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_host_that_takes_nothing_is_never_chosen(host, reason):
    assert why_not(TargetQuery(), candidate(host=host)) == [reason]
    gone = Candidate(candidate(host=host).host)
    if "status" not in host or host["status"] != "suspect":
        assert why_not(TargetQuery(), gone) == [reason], "its figures are not asked for"


def test_a_host_that_has_told_nothing_is_not_chosen():
    reasons = why_not(TargetQuery(), Candidate(HOST))
    assert reasons == ["has told nothing of itself: is mesh-info running there?"]


def test_all_that_speaks_against_a_host_is_said():
    query = TargetQuery(cpus=8, memory_bytes=9 * GIB, tags=("red",), max_load_per_cpu=0.1)
    assert len(why_not(query)) == 4


def test_amounts_that_look_the_same_are_told_in_bytes():
    query = TargetQuery(memory_bytes=8 * GIB + 1)
    assert why_not(query) == [
        f"has {8 * GIB} B of memory free, {8 * GIB + 1} B wanted"
    ]  # fmt: skip


def test_gpus_must_have_their_memory_each():
    query = TargetQuery(gpus=2, gpu_memory_bytes=15 * GIB)
    assert why_not(query) == ["has 1 GPUs with 15.0 GiB free, 2 wanted"]
    assert names(rank(TargetQuery(gpus=1, gpu_memory_bytes=15 * GIB), [candidate()])) == ["alpha"]


def test_the_host_with_more_free_comes_first():
    idle = candidate("idle", cpu_use=0.0, load_per_cpu=0.0)
    roomy = candidate("roomy", memory_available_bytes=16 * GIB)
    ranking = rank(TargetQuery(), [candidate(), idle, roomy])
    assert names(ranking) == ["idle", "roomy", "alpha"]
    assert ranking.targets[0].reasons[0] == "4.0 of 4 cores free (load 0 a CPU, 0% in use)"


def test_a_large_busy_host_may_have_more_free_than_a_small_idle_one():
    large = candidate("large", cpus=64.0, load_per_cpu=0.5)
    small = candidate("small", cpus=2.0, cpu_use=0.0, load_per_cpu=0.0)
    assert names(rank(TargetQuery(), [small, large])) == ["large", "small"]


def test_equal_hosts_come_by_name_whatever_the_order_they_are_known_in():
    hosts = [candidate(name) for name in ("c", "a", "b")]
    assert names(rank(TargetQuery(), hosts)) == ["a", "b", "c"]
    assert rank(TargetQuery(), hosts) == rank(TargetQuery(), hosts[::-1])


def test_preferred_tags_come_first_and_nobody_is_refused_for_them():
    plain = candidate("plain", host={"tags": ()}, cpu_use=0.0, load_per_cpu=0.0)
    one = candidate("one", host={"tags": ("a",)})
    two = candidate("two", host={"tags": ("a", "b")})
    ranking = rank(TargetQuery(prefer_tags=("a", "b", "b")), [plain, one, two])
    assert names(ranking) == ["two", "one", "plain"]
    assert "has tag a, b" in ranking.targets[0].reasons


def test_only_so_many_are_chosen_and_all_that_suit_are_counted():
    hosts = [candidate(f"h{number}") for number in range(5)]
    ranking = rank(TargetQuery(count=2), hosts)
    assert (names(ranking), ranking.suitable, ranking.unsuitable) == (["h0", "h1"], 5, 0)
    assert len(rank(TargetQuery(count=5), hosts).targets) == 5
    assert len(rank(TargetQuery(count=6), hosts).targets) == 5


def test_an_answer_about_a_thousand_hosts_is_bounded():
    hosts = [candidate(f"h{number:04}") for number in range(1000)]
    ranking = rank(TargetQuery(), hosts)
    assert (len(ranking.targets), ranking.suitable) == (SHOWN_LIMIT, 1000)
    ranking = rank(TargetQuery(cpus=5, count=500), hosts)
    assert (len(ranking.rejected), ranking.unsuitable) == (SHOWN_LIMIT, 1000)


def test_of_hosts_of_one_name_that_are_gone_the_newest_is_mentioned():
    def life(generation, *, online, name="alpha"):
        host = {"generation": generation, "online": online, "host_id": f"id-{generation}"}
        return candidate(name, host=host)

    ranking = rank(
        TargetQuery(cpus=99),
        [life(1, online=False), life(3, online=False, name="beta"), life(2, online=True),
         life(5, online=False, name="beta"), life(4, online=False, name="beta")],
    )  # fmt: skip
    assert [(r.host_name, r.host_id) for r in ranking.rejected] == [
        ("alpha", "id-2"), ("beta", "id-5"),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [
    "cpus", "memory_bytes", "disk_bytes", "temp_bytes", "gpus", "gpu_memory_bytes",
    "max_load_per_cpu", "max_age",
])  # fmt: skip
def test_an_amount_below_nothing_is_refused(limit):
    with pytest.raises(InvalidRequestError, match=f"{limit} is -1"):
        rank(TargetQuery(**{limit: -1}), [])


def test_amounts_that_are_no_numbers_let_nothing_pass():
    with pytest.raises(InvalidRequestError):
        rank(TargetQuery(cpus=math.nan), [])
    odd = candidate(load_per_cpu=math.nan)
    assert names(rank(TargetQuery(max_load_per_cpu=1.0), [odd])) == []
    assert names(rank(TargetQuery(), [candidate(age=math.nan)])) == []


def test_at_least_one_host_is_asked_for():
    with pytest.raises(InvalidRequestError, match="count is 0"):
        rank(TargetQuery(count=0), [])


def test_nobody_known_is_an_empty_answer():
    ranking = rank(TargetQuery(), [])
    assert (ranking.targets, ranking.rejected) == ((), ())


amounts = st.integers(0, 4)
tags = st.lists(st.sampled_from("abc"), max_size=3, unique=True).map(tuple)
shares = st.floats(0, 2)
figures = st.builds(
    Snapshot, cpus=shares, cpu_use=st.floats(0, 1), load_per_cpu=shares,
    memory_total_bytes=amounts, memory_available_bytes=amounts, disk_free_bytes=amounts,
    temp_free_bytes=amounts, gpu_free_bytes=st.lists(amounts, max_size=3).map(tuple),
)  # fmt: skip
hosts = st.builds(
    HostRef, name=st.sampled_from(["h1", "h2", "h3", "h4"]), url=st.just("http://h:1"),
    online=st.booleans(), status=st.sampled_from(["alive", "suspect", "dead"]),
    error=st.sampled_from([None, None, "other code"]), tags=tags, capabilities=tags,
    host_id=st.uuids().map(str), generation=amounts,
)  # fmt: skip
known = st.lists(
    st.builds(Candidate, host=hosts, figures=st.none() | figures, age=st.floats(0, 200)),
    max_size=8,
)  # fmt: skip
queries = st.builds(
    TargetQuery, cpus=shares, memory_bytes=amounts, disk_bytes=amounts, temp_bytes=amounts,
    gpus=amounts, gpu_memory_bytes=amounts, max_load_per_cpu=st.none() | shares, tags=tags,
    without_tags=tags, prefer_tags=tags, capabilities=tags,
    exclude_hosts=st.lists(st.sampled_from(["h1", "h2"]), max_size=2).map(tuple),
    count=st.none() | st.integers(1, 3), max_age=st.none() | st.floats(0, 200),
)  # fmt: skip


def violates(query, ranking, each):
    """Whether a host breaks any limit; written apart from the code that is tested."""
    host, told = each.host, each.figures
    if told is None or not host.online or host.status == "suspect" or host.error:
        return True
    limit = query.max_load_per_cpu
    wanted_gpus = query.gpus or bool(query.gpu_memory_bytes)
    return any((
        told.cpus < query.cpus,
        told.memory_available_bytes < query.memory_bytes,
        told.disk_free_bytes < query.disk_bytes,
        told.temp_free_bytes < query.temp_bytes,
        limit is not None and told.load_per_cpu > limit,
        each.age > ranking.max_age,
        host.name in query.exclude_hosts,
        set(query.tags) - set(host.tags),
        set(query.without_tags) & set(host.tags),
        set(query.capabilities) - set(host.capabilities),
        len([g for g in told.gpu_free_bytes if g >= query.gpu_memory_bytes]) < wanted_gpus,
    ))  # fmt: skip


@given(queries, known)
def test_no_chosen_host_breaks_any_limit_and_none_that_suits_is_left_out(query, candidates):
    ranking = rank(query, candidates)
    by_id = {each.host.host_id: each for each in candidates}
    chosen = [by_id[target.host_id] for target in ranking.targets]
    assert not [each for each in chosen if violates(query, ranking, each)]
    suit = [each for each in candidates if not violates(query, ranking, each)]
    assert ranking.suitable == len(suit)
    assert len(chosen) == min(len(suit), query.count or SHOWN_LIMIT)
    assert all(rejection.reasons for rejection in ranking.rejected)
    assert not {r.host_id for r in ranking.rejected} & {t.host_id for t in ranking.targets}
    assert all(0 <= target.score <= 1 for target in ranking.targets)


@given(known, st.sampled_from(["cpus", "memory_available_bytes", "disk_free_bytes"]))
def test_a_host_with_more_of_anything_never_falls_behind(candidates, figure):
    live = [
        replace(each, host=replace(each.host, online=True, status="alive", error=None), age=0.0)
        for each in candidates
        if each.figures is not None
    ]
    before = [target.host_id for target in rank(TargetQuery(), live).targets]
    for number, each in enumerate(live):
        more = replace(each.figures, **{figure: getattr(each.figures, figure) + 1})
        changed = [*live[:number], replace(each, figures=more), *live[number + 1 :]]
        after = [target.host_id for target in rank(TargetQuery(), changed).targets]
        mine = each.host.host_id
        assert after.index(mine) <= before.index(mine)
