"""What the holder of a lease knows of it."""

import pytest

from paglets.agent.leaseterm import LeaseTerm
from paglets.model.errors import ConflictError
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LeaseReply

BODY = ServiceBody(name="tokenizer", version="1", provider=PagletProxyRef("http://a:1", "tok"))


def granted(ttl=30.0, *, asked_at=1000.0, given=None):
    term = LeaseTerm(BODY, ttl)
    term.take()
    term.granted(LeaseReply(lease_id="l1", ttl=given or ttl), asked_at=asked_at)
    return term


def test_a_new_one_is_asked_for_without_an_id():
    call = LeaseTerm(BODY, 30.0).take()
    assert (call.service, call.ttl, call.lease_id) == (BODY, 30.0, None)


def test_it_ends_as_long_after_the_question_as_was_granted_not_as_was_asked_for():
    assert granted(30.0, asked_at=1000.0, given=20.0).expires_at == 1020.0


def test_a_renewal_names_it_and_lasts_as_long_as_at_first_unless_told():
    term = granted(30.0)
    assert [(call.lease_id, call.ttl) for call in (term.renew(None), term.renew(5.0))] == [
        ("l1", 30.0),
        ("l1", 5.0),
    ]


def test_asking_for_a_renewal_changes_nothing_until_it_is_granted():
    term = granted(30.0, asked_at=1000.0)
    term.renew(60.0)
    assert term.expires_at == 1030.0
    term.granted(LeaseReply(lease_id="l1", ttl=60.0), asked_at=1010.0)
    assert term.expires_at == 1070.0


def test_a_release_is_a_lease_of_no_time_and_is_repeated_until_it_is_known_to_have_worked():
    term = granted()
    first, second = term.release(), term.release()
    assert (first.lease_id, first.ttl) == ("l1", 0.0)
    assert second == first
    term.released()
    assert term.release() is None


@pytest.mark.parametrize("end", [LeaseTerm.released, lambda _term: None])
def test_what_is_not_held_cannot_be_renewed(end):
    term = granted() if end is LeaseTerm.released else LeaseTerm(BODY, 30.0)
    end(term)
    with pytest.raises(ConflictError, match="lease on tokenizer was released: take a new one"):
        term.renew(None)


@pytest.mark.parametrize("ttl", [0.0, -1.0, float("nan")])
def test_it_lasts_more_than_no_time(ttl):
    with pytest.raises(ValueError, match="above 0"):
        LeaseTerm(BODY, ttl)
    with pytest.raises(ValueError, match="above 0"):
        granted().renew(ttl)
