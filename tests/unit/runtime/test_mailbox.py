"""MessageMailbox: order, bounds and deadlines; random runs against a list."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paglets.model.errors import MailboxFullError
from paglets.runtime.mailbox import Entry, MessageMailbox, Usage


def entry(message_id, *, priority=5, body=b"x", deadline=100.0):
    return Entry(message_id, priority, body, deadline, "", oneway=False, work=None)


def put(mailbox, *entries):
    for one in entries:
        mailbox.put(one, agent_id="tour")


def taken(mailbox, now=0.0):
    ids = []
    while (one := mailbox.take(now, lambda _: None)) is not None:
        ids.append(one.message_id)
    return ids


def test_the_highest_priority_is_first_and_one_priority_is_first_in_first_out():
    mailbox = MessageMailbox()
    put(mailbox, entry("a"), entry("b", priority=9), entry("c"), entry("d", priority=1))
    put(mailbox, entry("e", priority=9))
    assert [one.message_id for one in mailbox] == ["b", "e", "a", "c", "d"]
    assert taken(mailbox) == ["b", "e", "a", "c", "d"]
    assert len(mailbox) == 0


def test_what_has_expired_is_handed_over_and_not_delivered():
    mailbox, expired = MessageMailbox(), []
    put(mailbox, entry("a", deadline=1.0), entry("b", deadline=3.0), entry("c", deadline=2.0))
    assert mailbox.take(2.0, expired.append).message_id == "b"
    assert mailbox.take(2.0, expired.append) is None
    assert [one.message_id for one in expired] == ["a", "c"]


def test_a_dropped_message_is_gone_and_frees_its_room():
    usage = Usage()
    mailbox = MessageMailbox(usage)
    put(mailbox, entry("a", body=b"12345"), entry("b", body=b"123"))
    assert mailbox.drop("a").message_id == "a"
    assert mailbox.drop("a") is None
    assert ("a" in mailbox, "b" in mailbox, len(mailbox), usage.total) == (False, True, 1, 3)
    assert taken(mailbox) == ["b"]
    assert usage.total == 0


def test_what_is_put_back_comes_before_all_of_its_priority_and_is_never_refused():
    mailbox = MessageMailbox(message_limit=2)
    put(mailbox, entry("a"), entry("b", priority=9))
    mailbox.put_back(entry("first"))
    assert [one.message_id for one in mailbox] == ["b", "first", "a"]


def test_several_put_back_from_the_last_to_the_first_keep_their_order():
    mailbox = MessageMailbox()
    put(mailbox, entry("c"), entry("d"))
    for one in reversed([entry("a"), entry("b")]):
        mailbox.put_back(one)
    assert taken(mailbox) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "mailbox",
    [
        MessageMailbox(message_limit=2),
        MessageMailbox(bytes_limit=10),
        MessageMailbox(Usage(limit=10)),
    ],
)
def test_beyond_each_bound_a_message_is_refused_with_a_time_to_retry(mailbox):
    put(mailbox, entry("a", body=b"12345"), entry("b", body=b"12345"))
    with pytest.raises(MailboxFullError) as caught:
        put(mailbox, entry("c", body=b"1"))
    assert caught.value.retryable
    assert caught.value.retry_after == 1.0
    assert "c" not in mailbox
    mailbox.drop("a")
    put(mailbox, entry("c", body=b"1"))


def test_mailboxes_of_one_host_share_its_bound():
    usage = Usage(limit=10)
    one, other = MessageMailbox(usage), MessageMailbox(usage)
    put(one, entry("a", body=b"123456"))
    with pytest.raises(MailboxFullError):
        put(other, entry("b", body=b"12345"))
    one.drain()
    put(other, entry("b", body=b"12345"))


def test_what_is_stored_has_been_acknowledged_and_is_never_refused():
    mailbox = MessageMailbox(message_limit=1)
    acknowledged = entry("b")
    acknowledged.stored = True
    put(mailbox, entry("a"), acknowledged)
    assert taken(mailbox) == ["a", "b"]


def test_room_is_asked_for_beside_what_waits_elsewhere():
    mailbox = MessageMailbox(message_limit=2)
    mailbox.require_room(1, agent_id="tour", beside=(1, 1))
    with pytest.raises(MailboxFullError):
        mailbox.require_room(1, agent_id="tour", beside=(2, 2))


def test_draining_empties_it_in_order():
    usage = Usage()
    mailbox = MessageMailbox(usage)
    put(mailbox, entry("a"), entry("b", priority=7), entry("c"))
    mailbox.drop("a")
    assert [one.message_id for one in mailbox.drain()] == ["b", "c"]
    assert (len(mailbox), usage.total, taken(mailbox)) == (0, 0, [])


IDS = st.sampled_from("abcdefgh")
ACTIONS = st.one_of(
    st.tuples(st.just("put"), IDS, st.integers(1, 11), st.integers(1, 9)),
    st.tuples(st.just("back"), IDS, st.integers(1, 11), st.integers(1, 9)),
    st.tuples(st.just("take"), st.integers(0, 9)),
    st.tuples(st.just("drop"), IDS),
    st.tuples(st.just("drain")),
)


class Naive:
    """The same, as a list that is searched."""

    def __init__(self):
        self.waiting = []

    def add(self, message_id, priority, deadline, *, front):
        same = [i for i, (_, p, _) in enumerate(self.waiting) if p == priority]
        higher = [i for i, (_, p, _) in enumerate(self.waiting) if p > priority]
        after = (higher[-1] + 1) if higher else 0
        place = after if front or not same else same[-1] + 1
        self.waiting.insert(place, (message_id, priority, deadline))

    def take(self, now):
        while self.waiting:
            message_id, _, deadline = self.waiting.pop(0)
            if deadline > now:
                return message_id
        return None


@settings(max_examples=60)
@given(st.lists(ACTIONS, max_size=40))
def test_any_sequence_of_actions_does_what_a_plain_list_does(actions):
    usage = Usage()
    mailbox, naive = MessageMailbox(usage), Naive()
    for action in actions:
        match action:
            case ("put" | "back" as how, message_id, priority, deadline):
                if message_id in mailbox:
                    continue
                one = entry(message_id, priority=priority, deadline=float(deadline))
                if how == "put":
                    put(mailbox, one)
                else:
                    mailbox.put_back(one)
                naive.add(message_id, priority, float(deadline), front=how == "back")
            case ("take", now):
                got = mailbox.take(float(now), lambda _: None)
                assert (None if got is None else got.message_id) == naive.take(float(now))
            case ("drop", message_id):
                mailbox.drop(message_id)
                naive.waiting = [one for one in naive.waiting if one[0] != message_id]
            case _:
                drained = [one.message_id for one in mailbox.drain()]
                assert drained == [one[0] for one in naive.waiting]
                naive.waiting = []
        assert [one.message_id for one in mailbox] == [one[0] for one in naive.waiting]
        assert len(mailbox) == usage.total == len(naive.waiting)
