"""Which hosts a crew works on."""

from paglets import HostRef
from paglets.examples.crew import Attendance, choose_hosts
from paglets.examples.performance.model import Plan

ALPHA = HostRef("alpha", "http://a:1")
BETA = HostRef("beta", "http://b:1", error="beta has other code")
GAMMA = HostRef("gamma", "http://c:1", online=False, status="dead")


def test_all_that_are_online_are_worked_on():
    assert choose_hosts(Plan(), [GAMMA, BETA, ALPHA]) == {
        "alpha": "",
        "beta": "beta has other code",
    }


def test_named_hosts_that_cannot_be_worked_on_have_their_reason():
    assert choose_hosts(Plan(hosts=["gamma", "nobody", "alpha"]), [ALPHA, GAMMA]) == {
        "gamma": "not online (dead)",
        "nobody": "no host of this name is known",
        "alpha": "",
    }


def test_a_suspect_is_not_passed_over_in_silence():
    delta = HostRef("delta", "http://d:1", online=False, status="suspect")
    assert choose_hosts(Plan(), [delta, ALPHA, GAMMA]) == {
        "alpha": "",
        "delta": "not online (suspect)",
    }


def test_nobody_waits_who_never_asks():
    assert Attendance(-1.0).is_alone
    assert not Attendance(60.0).is_alone
