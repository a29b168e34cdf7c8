"""What a leader makes of the news of its workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.agent.fanout.model import Missing, Report
from paglets.agent.fanout.shares import Shares, choose_hosts
from paglets.model.enums import MissingReason, SharePhase
from paglets.model.errors import InvalidRequestError
from paglets.model.refs import HostRef, PagletProxyRef

ALPHA = HostRef("alpha", "http://a:1")
BETA = HostRef("beta", "http://b:1")


def shares(*hosts: str, **missing: Missing) -> Shares[int]:
    """Shares of hosts that were asked to take a worker called after them."""
    found: Shares[int] = Shares({**dict.fromkeys(hosts), **missing}, number)
    for host in hosts:
        found.ask(host, PagletProxyRef(f"http://{host}", f"w-{host}", host_name=host))
    return found


def number(value: object) -> int:
    if not isinstance(value, int):
        raise InvalidRequestError(f"{value!r} is no number")
    return value


def report(host: str, phase: SharePhase = SharePhase.WORKING, **more: object) -> Report:
    return Report("r1", f"w-{host}", phase, **more)


def phases(found: Shares[int]) -> dict[str, SharePhase]:
    return {share.host: share.phase for share in found.all()}


def reasons(found: Shares[int]) -> dict[str, MissingReason]:
    return {host: missing.reason for host, missing in found.gathered().missing.items()}


def test_results_and_reasons_stand_by_host():
    found = shares("alpha", "beta", gamma=Missing(MissingReason.DEAD))
    found.report(report("alpha", SharePhase.DONE, result=1))
    found.report(report("beta", SharePhase.MISSING, text="ValueError: no", traceback_text="tb"))

    gathered = found.gathered()

    assert gathered.results == {"alpha": 1}
    assert gathered.missing["beta"] == Missing(MissingReason.FAILED, "ValueError: no", "tb")
    assert gathered.missing["gamma"].reason is MissingReason.DEAD
    assert not gathered.is_complete
    assert found.is_complete


def test_a_result_may_be_nothing():
    found: Shares[None] = Shares({"alpha": None}, lambda value: value)
    found.ask("alpha", PagletProxyRef("http://a", "w-alpha"))
    found.report(report("alpha", SharePhase.DONE, result=None))

    assert found.gathered().results == {"alpha": None}
    assert found.gathered().is_complete


def test_a_worker_that_begins_is_at_work():
    found = shares("alpha")

    assert found.report(report("alpha", is_first=True))
    assert phases(found) == {"alpha": SharePhase.WORKING}
    assert found.report(report("alpha"))


def test_a_worker_that_begins_again_is_not_wanted_any_more():
    found = shares("alpha")
    found.report(report("alpha", is_first=True))

    assert not found.report(report("alpha", is_first=True))
    assert reasons(found) == {"alpha": MissingReason.CRASHED}


def test_a_stranger_is_not_wanted():
    found = shares("alpha")

    assert not found.report(report("beta"))
    assert phases(found) == {"alpha": SharePhase.PENDING}


def test_what_is_settled_stays_so():
    found = shares("alpha", "beta")
    found.report(report("alpha", SharePhase.DONE, result=1))
    found.lose("beta", Missing(MissingReason.DEAD))

    assert not found.report(report("beta", SharePhase.DONE, result=2))
    found.lose("alpha", Missing(MissingReason.SLOW))
    found.look([])
    found.end(Missing(MissingReason.STOPPED))

    assert found.gathered().results == {"alpha": 1}
    assert reasons(found) == {"beta": MissingReason.DEAD}


def test_a_result_of_another_type_is_a_failure():
    found = shares("alpha")
    found.report(report("alpha", SharePhase.DONE, result="one"))

    assert found.gathered().missing["alpha"].text == "'one' is no number"


@pytest.mark.parametrize("status", ["dead", "left"])
def test_hosts_that_went_away_are_lost_with_what_they_did(status: str):
    found = shares("alpha", "beta")
    found.report(report("beta", is_first=True))
    found.look([ALPHA, HostRef("beta", "http://b:1", online=False, status=status)])

    assert found.gathered().missing["beta"] == Missing(
        MissingReason.DEAD, "the host went away while it was working"
    )
    assert phases(found)["alpha"] is SharePhase.PENDING


def test_a_suspect_may_still_report():
    found = shares("beta")
    found.look([HostRef("beta", "http://b:1", online=False, status="suspect")])

    assert not found.is_complete


def test_a_host_that_the_mesh_forgot_is_lost():
    found = shares("beta")
    found.look([ALPHA])

    assert reasons(found) == {"beta": MissingReason.DEAD}


def test_the_end_says_what_each_was_doing():
    found = shares("alpha", "beta")
    found.report(report("beta", is_first=True))
    found.end(Missing(MissingReason.SLOW, "not done within 3 s"))

    missing = found.gathered().missing
    assert missing["alpha"].text == "not done within 3 s (it was pending)"
    assert missing["beta"].text == "not done within 3 s (it was working)"


def test_who_refused_has_no_worker_to_be_ended():
    found = shares("alpha")
    found.refuse("alpha", Missing(MissingReason.REFUSED, "no room"))

    (share,) = found.all()
    assert (share.worker, share.missing.text) == (None, "no room")


def test_doubt_ends_with_the_first_word_of_the_worker():
    found = shares("alpha")
    found.doubt("alpha")
    assert found.all()[0].is_in_doubt

    found.report(report("alpha", is_first=True))
    assert not found.all()[0].is_in_doubt


def test_all_that_are_online_or_suspected_take_part_by_name():
    suspect = HostRef("delta", "http://d:1", online=False, status="suspect")
    dead = HostRef("gamma", "http://c:1", online=False, status="dead")
    other = HostRef("beta", "http://b:1", error="beta has other code")

    assert choose_hosts(None, [dead, suspect, other, ALPHA]) == {
        "alpha": None,
        "beta": Missing(MissingReason.REFUSED, "beta has other code"),
        "delta": Missing(MissingReason.DEAD, "not online (suspect)"),
    }


def test_named_hosts_are_named_in_the_result_whatever_they_are():
    dead = HostRef("gamma", "http://c:1", online=False, status="dead")

    assert choose_hosts(["gamma", "nobody", "alpha"], [ALPHA, dead]) == {
        "gamma": Missing(MissingReason.DEAD, "not online (dead)"),
        "nobody": Missing(MissingReason.UNKNOWN, "no host of this name is known"),
        "alpha": None,
    }
    assert choose_hosts([], [ALPHA]) == {}


def test_of_two_hosts_of_one_name_the_newest_that_lives_is_meant():
    old = HostRef("beta", "http://old:1", online=False, status="dead", generation=9)

    assert choose_hosts(["beta"], [BETA, old]) == {"beta": None}
    assert choose_hosts(["beta"], [old, BETA]) == {"beta": None}


HOSTS = ("alpha", "beta", "gamma")
NEWS = st.lists(
    st.tuples(
        st.sampled_from(["first", "on", "done", "failed", "dead", "lost", "refused", "stranger"]),
        st.sampled_from(HOSTS),
    ),
    max_size=25,
)


@given(NEWS)
def test_whatever_comes_in_whatever_order_each_host_is_settled_once(news):
    found = shares(*HOSTS)
    settled: dict[str, object] = {}
    for what, host in news:
        match what:
            case "first" | "on":
                found.report(report(host, is_first=what == "first"))
            case "done":
                found.report(report(host, SharePhase.DONE, result=len(settled)))
            case "failed":
                found.report(report(host, SharePhase.MISSING, text="x"))
            case "dead":
                found.look([HostRef(each, "") for each in HOSTS if each != host])
            case "lost":
                found.lose(host, Missing(MissingReason.CRASHED))
            case "refused":
                found.refuse(host, Missing(MissingReason.REFUSED))
            case _:
                assert not found.report(report("stranger"))
        gathered = found.gathered()
        now = {**gathered.results, **gathered.missing}
        assert all(now[host] == value for host, value in settled.items())
        settled = now
    found.end(Missing(MissingReason.STOPPED))
    gathered = found.gathered()

    assert found.is_complete
    assert {*gathered.results, *gathered.missing} == set(HOSTS)
    assert not gathered.results.keys() & gathered.missing.keys()
