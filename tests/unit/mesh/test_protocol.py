"""One engine, by hand: what it asks its driver to do at which time."""

from random import Random

import pytest

from paglets.mesh.instructions import Answer, Notify, NotifySelf, Resolve, SelfChange, Send
from paglets.mesh.marks import mark_of
from paglets.mesh.messages import (
    PROTOCOL,
    Ack,
    Alive,
    Dead,
    Frame,
    Gossip,
    Identity,
    Join,
    Joined,
    Left,
    Misdirected,
    Nack,
    Ping,
    PingRequest,
    Push,
    PushPull,
    PushPullAnswer,
    Record,
    State,
    Suspect,
)
from paglets.mesh.protocol import Protocol
from paglets.mesh.timing import LAN
from paglets.model.enums import MemberStatus


def identity(name, generation=10, boots=0):
    return Identity(f"id-{name}", name, f"http://{name}:8765", generation, boots=boots)


def alive(name, incarnation=0, generation=10):
    return Alive(f"id-{name}", generation, incarnation, identity(name, generation))


class Bench:
    """An engine called `me` at a time of our own."""

    def __init__(self, *names, seeds=()):
        self.now = 0.0
        self.engine = Protocol(identity("me"), LAN, seeds, Random(3), 0.0)
        self.requests = 0
        if names:
            self.receive("x", Gossip(), *(alive(name) for name in names))
            self.flush()

    def frame(
        self, name, body, *rumours, generation=10, digest=None, target="id-me", unknown=False
    ):
        digest = self.engine.table.digest if digest is None else digest
        mark = mark_of(target) if target else 0
        return Frame(
            PROTOCOL, f"id-{name}", generation, digest, mark, body, tuple(rumours), unknown
        )

    def receive(self, name, body, *rumours, **fields):
        self.requests += 1
        frame = self.frame(name, body, *rumours, **fields)
        return self.engine.receive(self.requests, frame, self.now)

    def answer(self, send, name, body, *rumours, **fields):
        frame = self.frame(name, body, *rumours, **fields)
        return self.engine.answered(send.call, frame, self.now)

    def fail(self, send, reason="no answer"):
        return self.engine.failed(send.call, reason, self.now)

    def run(self, until):
        """Tick whenever due; return all instructions with nobody answering."""
        out = []
        while self.engine.deadline <= until:
            self.now = max(self.now, self.engine.deadline)
            out += self.engine.tick(self.now)
        self.now = until
        return out

    def flush(self):
        """Run until no news is left to gossip, with all probes answered."""
        while self.engine.deadline <= self.now + 3.0 and len(self.engine._session.news):
            self.now = max(self.now, self.engine.deadline)
            for send in sends(self.engine.tick(self.now), Ping):
                self.answer(send, send.url[7:-5], Ack())

    def next_probe(self):
        """Run until a probe is sent and return it."""
        while True:
            self.now = max(self.now, self.engine.deadline)
            found = sends(self.engine.tick(self.now), Ping)
            if found:
                return found[0]


def sends(instructions, body):
    return [i for i in instructions if isinstance(i, Send) and isinstance(i.frame.body, body)]


def only(instructions, kind):
    found = [i for i in instructions if isinstance(i, kind)]
    assert len(found) == 1
    return found[0]


def status_of(bench, name):
    return bench.engine.table.members[f"id-{name}"].status


# probes


def test_one_member_is_probed_every_second():
    bench = Bench("a", "b", "c")
    first = bench.next_probe()
    started = bench.now
    bench.answer(first, first.url[7:-5], Ack())
    bench.next_probe()
    assert bench.now - started == pytest.approx(1.0)


def test_a_probe_says_whom_it_is_for():
    probe = Bench("a").next_probe()
    assert probe.frame.target == mark_of("id-a")
    assert probe.url == "http://a:8765"


def test_without_an_answer_others_are_asked_after_half_a_second():
    bench = Bench("a", "b", "c", "d", "e")
    probe = bench.next_probe()
    started = bench.now
    asked = sends(bench.run(started + 0.49), PingRequest)
    assert asked == []
    asked = sends(bench.run(started + 0.51), PingRequest)
    assert len(asked) == 3
    assert all(send.frame.body.url == probe.url for send in asked)
    assert probe.url not in {send.url for send in asked}


def test_a_refused_connection_makes_it_ask_others_at_once():
    bench = Bench("a", "b", "c")
    assert len(sends(bench.fail(bench.next_probe()), PingRequest)) == 2


def test_a_member_nobody_can_reach_is_suspected_after_the_probe_interval():
    bench = Bench("a", "b", "c")
    probe = bench.next_probe()
    name, started = probe.url[7:-5], bench.now
    bench.run(started + 0.99)
    assert status_of(bench, name) is MemberStatus.ALIVE
    bench.run(started + 1.0)
    assert status_of(bench, name) is MemberStatus.SUSPECT


def test_an_answer_through_a_helper_is_an_answer():
    bench = Bench("a", "b", "c")
    probe = bench.next_probe()
    name, started = probe.url[7:-5], bench.now
    helper = sends(bench.fail(probe), PingRequest)[0]
    bench.answer(helper, helper.url[7:-5], Ack())
    bench.run(started + 1.0)
    assert status_of(bench, name) is MemberStatus.ALIVE


def test_a_late_answer_within_the_interval_still_counts():
    bench = Bench("a", "b", "c")
    probe = bench.next_probe()
    name, started = probe.url[7:-5], bench.now
    bench.run(started + 0.9)
    bench.answer(probe, name, Ack())
    bench.run(started + 1.0)
    assert status_of(bench, name) is MemberStatus.ALIVE


def test_an_answer_by_another_host_at_that_address_is_no_answer():
    bench = Bench("a", "b", "c")
    probe = bench.next_probe()
    name, started = probe.url[7:-5], bench.now
    bench.answer(probe, "stranger", Misdirected())
    bench.run(started + 1.0)
    assert status_of(bench, name) is MemberStatus.SUSPECT


def test_who_spoke_to_us_itself_meanwhile_is_not_suspected():
    bench = Bench("a", "b", "c")
    probe = bench.next_probe()
    name, started = probe.url[7:-5], bench.now
    bench.run(started + 0.7)
    bench.receive(name, Ping())
    bench.run(started + 1.0)
    assert status_of(bench, name) is MemberStatus.ALIVE


def test_helpers_that_answer_keep_our_health_good_and_silent_ones_do_not():
    for answers, score in ((True, 0), (False, 2)):
        bench = Bench("a", "b", "c")
        probe = bench.next_probe()
        started = bench.now
        for helper in sends(bench.fail(probe), PingRequest):
            if answers:
                bench.answer(helper, helper.url[7:-5], Nack())
        bench.run(started + 1.0)
        assert bench.engine.statistics.awareness == score


def test_a_suspect_is_told_so_by_the_probe_itself():
    bench = Bench("a")
    bench.receive("x", Gossip(), Suspect("id-a", 10, 0, "id-x"))
    assert any(isinstance(r, Suspect) for r in bench.next_probe().frame.rumours)


# our own pause


def test_a_paused_host_blames_itself_and_accuses_nobody():
    bench = Bench("a", "b", "c")
    bench.next_probe()
    bench.receive("x", Gossip(), Suspect("id-b", 10, 0, "id-x"))
    bench.now += 30.0
    out = bench.engine.tick(bench.now)
    assert only(out, NotifySelf).change is SelfChange.PAUSED
    assert bench.engine.table.live == 4
    assert bench.engine.statistics.awareness == 1
    assert len(sends(out, Ping)) == 1


# serving


def test_a_ping_is_answered_at_once():
    out = Bench("a").receive("a", Ping())
    assert isinstance(only(out, Answer).frame.body, Ack)


def test_a_ping_for_another_host_is_answered_by_who_we_are():
    frame = only(Bench("a").receive("a", Ping(), target="id-other"), Answer).frame
    assert isinstance(frame.body, Misdirected)
    assert frame.sender == "id-me"


def test_a_stranger_is_told_that_it_is_unknown():
    assert only(Bench().receive("a", Ping()), Answer).frame.unknown
    assert not only(Bench("a").receive("a", Ping()), Answer).frame.unknown
    assert only(Bench("a").receive("a", Ping(), generation=11), Answer).frame.unknown


def test_an_earlier_life_of_a_member_is_told_of_the_later_one():
    bench = Bench("a")
    frame = only(bench.receive("a", Ping(), generation=9), Answer).frame
    assert frame.rumours[0] == alive("a")


def test_an_accused_sender_is_told_so_that_it_can_refute():
    bench = Bench("a")
    bench.receive("x", Gossip(), Dead("id-a", 10, 0, "id-x"))
    frame = only(bench.receive("a", Ping()), Answer).frame
    assert frame.rumours[0] == Dead("id-a", 10, 0, "id-me")


@pytest.mark.parametrize(("answers", "body"), [(True, Ack), (False, Nack)])
def test_a_probe_in_anothers_place_is_reported(answers, body):
    bench = Bench("a", "b")
    out = bench.receive("a", PingRequest("id-b", "http://b:8765", 500))
    ping = sends(out, Ping)[0]
    assert ping.timeout == pytest.approx(0.4)
    out = bench.answer(ping, "b", Ack()) if answers else bench.fail(ping)
    assert isinstance(only(out, Answer).frame.body, body)


def test_news_is_gossiped_to_three_at_a_time_and_rides_on_answers():
    bench = Bench(*"abcdef")
    echo = only(bench.receive("a", Gossip(), alive("new")), Answer).frame
    assert alive("new") not in echo.rumours
    answered = only(bench.receive("b", Ping()), Answer).frame
    assert alive("new") in answered.rumours
    rounds, told = [], 1
    while len(bench.engine._session.news):
        bench.now = bench.engine.deadline
        out = bench.engine.tick(bench.now)
        told += sum(alive("new") in i.frame.rumours for i in out if isinstance(i, Send))
        rounds.append(len(sends(out, Gossip)))
        for ping in sends(out, Ping):
            bench.answer(ping, ping.url[7:-5], Ack())
    assert [size for size in rounds if size][:3] == [3, 3, 3]
    assert told == 12


# comparisons


def test_a_different_digest_leads_to_a_comparison_when_news_is_quiet():
    bench = Bench("a")
    bench.now += 10.0
    bench.engine.deadline = bench.now
    probe = bench.next_probe()
    out = bench.answer(probe, "a", Ack(), digest=5)
    out += bench.run(bench.now + 0.1)
    assert sends(out, PushPull)[0].url == "http://a:8765"


def test_equal_digests_never_lead_to_a_comparison():
    bench = Bench("a")
    for _ in range(60):
        bench.answer(bench.next_probe(), "a", Ack())
    assert bench.engine.statistics.comparisons == 0


def test_what_the_other_side_wants_is_pushed():
    bench = Bench("a", "b")
    probe = bench.next_probe()
    compare = sends(bench.answer(probe, probe.url[7:-5], Ack(), unknown=True), PushPull)[0]
    out = bench.answer(compare, "a", PushPullAnswer(want=("id-b",)))
    pushed = sends(out, Push)[0].frame.body
    assert {state.host_id for state in pushed.states} == {"id-b", "id-me"}


def test_a_refutation_goes_straight_to_who_accused():
    bench = Bench("a")
    out = bench.answer(bench.next_probe(), "a", Ack(), Dead("id-me", 10, 0, "id-a"))
    told = sends(out, Gossip)[0]
    assert Alive("id-me", 10, 1) in told.frame.rumours


# joining


def test_while_alone_all_seeds_are_tried_every_second_for_ever():
    seeds = ("http://s1:8765", "http://s2:8765")
    bench = Bench(seeds=seeds)
    tried = [i.seed for i in bench.run(30.0) if isinstance(i, Resolve)]
    assert 20 <= tried.count(seeds[0]) == tried.count(seeds[1]) <= 42


def test_every_address_of_a_seed_is_joined_and_ones_own_is_not():
    bench = Bench(seeds=("http://s:8765",))
    out = bench.engine.resolved(
        ("http://10.0.0.1:8765", "http://me:8765", "http://10.0.0.2:8765"), 0.0
    )
    assert [s.url for s in sends(out, Join)] == ["http://10.0.0.1:8765", "http://10.0.0.2:8765"]
    assert all(s.path == "/mesh/join" and s.frame.target == 0 for s in sends(out, Join))


def test_an_address_being_joined_is_not_joined_twice():
    bench = Bench(seeds=("http://s:8765",))
    assert sends(bench.engine.resolved(("http://s:8765",), 0.0), Join)
    assert not sends(bench.engine.resolved(("http://s:8765",), 0.1), Join)


def join(bench, joined, sender="s"):
    call = sends(bench.engine.resolved(("http://s:8765",), bench.now), Join)[0]
    return bench.answer(call, sender, joined, target=None)


def member_states(*names):
    return tuple(State(f"id-{name}", 10, 0, MemberStatus.ALIVE, identity(name)) for name in names)


def test_a_newcomer_learns_the_whole_mesh_from_a_seed():
    bench = Bench(seeds=("http://s:8765",))
    out = join(bench, Joined(member_states("s", "a", "b")))
    assert bench.engine.table.live == 4
    assert len([i for i in out if isinstance(i, Notify)]) == 3


def test_a_seed_that_is_a_live_member_is_not_joined_again():
    bench = Bench(seeds=("http://s:8765",))
    join(bench, Joined(member_states("s")))
    assert bench.engine.resolved(("http://s:8765",), 5.0) == []


def test_a_seed_that_turns_out_to_be_ourselves_is_skipped():
    bench = Bench(seeds=("http://s:8765",))
    join(bench, Joined(), sender="me")
    assert bench.engine.resolved(("http://s:8765",), 5.0) == []


def test_a_newcomer_is_told_when_the_seed_cannot_reach_it():
    bench = Bench(seeds=("http://s:8765",))
    out = join(bench, Joined(member_states("s"), unreachable="timed out"))
    notice = only(out, NotifySelf)
    assert notice.change is SelfChange.UNREACHABLE
    assert notice.text == "s cannot reach you at http://me:8765: timed out"


def test_a_newcomer_whose_folder_was_restored_is_told():
    bench = Bench(seeds=("http://s:8765",))
    notice = only(join(bench, Joined(member_states("s"), remembered_boots=7)), NotifySelf)
    assert (notice.change, notice.boots) == (SelfChange.ROLLED_BACK, 7)


def test_a_newcomer_takes_a_generation_above_those_of_its_name():
    bench = Bench(seeds=("http://s:8765",))
    out = join(bench, Joined(member_states("s"), generation_floor=99))
    assert bench.engine.table.identity.generation == 100
    assert only(out, NotifySelf).change is SelfChange.RENEWED


def test_a_seed_calls_the_newcomer_back_before_it_answers():
    bench = Bench("a")
    out = bench.receive("n", Join(identity("n")), target=None)
    assert not any(isinstance(i, Answer) for i in out)
    callback = sends(out, Ping)[0]
    assert callback.url == "http://n:8765"
    frame = only(bench.answer(callback, "n", Ack()), Answer).frame
    assert frame.body.unreachable is None
    assert {state.host_id for state in frame.body.states} == {"id-me", "id-a", "id-n"}


def test_a_seed_says_why_it_cannot_reach_a_newcomer_and_lets_it_in_all_the_same():
    bench = Bench()
    callback = sends(bench.receive("n", Join(identity("n")), target=None), Ping)[0]
    frame = only(bench.fail(callback, "connection refused"), Answer).frame
    assert frame.body.unreachable == "connection refused"
    assert bench.engine.table.live == 2


def test_a_seed_notices_that_another_host_answers_at_the_advertised_url():
    bench = Bench()
    callback = sends(bench.receive("n", Join(identity("n")), target=None), Ping)[0]
    frame = only(bench.answer(callback, "other", Misdirected()), Answer).frame
    assert "id-other" in frame.body.unreachable


def test_a_seed_that_is_the_newcomer_itself_says_nothing():
    bench = Bench()
    frame = only(bench.receive("me", Join(identity("me")), target=None), Answer).frame
    assert frame.body == Joined()


def test_the_first_ping_that_names_us_shows_that_we_are_reachable():
    bench = Bench("a")
    assert only(bench.receive("a", Ping()), NotifySelf).change is SelfChange.REACHABLE
    assert not any(isinstance(i, NotifySelf) for i in bench.receive("a", Ping()))


# contacts and leaving


def test_a_dead_member_is_tried_again_for_ever():
    bench = Bench("a")
    bench.receive("x", Gossip(), Dead("id-a", 10, 0, "id-x"))
    tried = 0
    while bench.now < 600.0:
        bench.now = max(bench.now, bench.engine.deadline)
        for send in sends(bench.engine.tick(bench.now), Ping):
            bench.fail(send)
            tried += send.url == "http://a:8765"
    assert 90 <= tried <= 170


def test_a_dead_member_that_answers_is_compared_with():
    bench = Bench("a")
    bench.receive("x", Gossip(), Dead("id-a", 10, 0, "id-x"))
    found = []
    while not found:
        bench.now = bench.engine.deadline
        found = sends(bench.engine.tick(bench.now), Ping)
    assert Dead("id-a", 10, 0, "id-me") in found[0].frame.rumours
    out = bench.answer(found[0], "a", Ack(), Alive("id-a", 10, 1))
    assert status_of(bench, "a") is MemberStatus.ALIVE
    assert sends(out, PushPull)


def test_leaving_is_told_to_all_in_a_small_mesh_at_once_and_ends_probing():
    bench = Bench("a", "b", "c")
    told = sends(bench.engine.leave(bench.now), Gossip)
    assert {send.url for send in told} == {f"http://{name}:8765" for name in "abc"}
    assert all(Left("id-me", 10, 0) in send.frame.rumours for send in told)
    assert sends(bench.run(bench.now + 5.0), Ping) == []


def test_records_set_here_are_gossiped_and_lazy_ones_ride_on_probes_only():
    bench = Bench("a")
    bench.engine.set_record("service", "urgent", b"1", bench.now)
    bench.engine.set_record("counts", "", b"2", bench.now, lazy=True)
    out = bench.run(bench.now + 0.3)
    assert {
        r.key for s in sends(out, Gossip) for r in s.frame.rumours if isinstance(r, Record)
    } >= {"urgent"}
    bench.flush()
    bench.engine.set_record("counts", "more", b"3", bench.now, lazy=True)
    out = bench.run(bench.now + 1.5)
    assert sends(out, Gossip) == []
    assert {r.key for s in sends(out, Ping) for r in s.frame.rumours if isinstance(r, Record)} >= {
        "more"
    }
