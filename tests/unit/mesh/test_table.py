"""memberlist's list of cases, and ours for generations, names and restored folders."""

import msgspec
import pytest

from paglets.mesh.lives import generation_floor, rolled_back_boots
from paglets.mesh.members import NOTHING, Change
from paglets.mesh.messages import Alive, Dead, Identity, Left, Record, State, Suspect
from paglets.mesh.table import RAISE_LIMIT, Table
from paglets.mesh.timing import LAN, MeshTiming
from paglets.model.enums import MemberStatus

ALIVE, SUSPECT, DEAD, LEFT = MemberStatus


def identity(name, *, generation=10, host_id=None, **fields):
    return Identity(host_id or f"id-{name}", name, f"http://{name}:8765", generation, **fields)


def alive(name, incarnation=0, **fields):
    who = identity(name, **fields)
    return Alive(who.host_id, who.generation, incarnation, who)


def suspect(name, incarnation=0, accuser="id-x", generation=10):
    return Suspect(f"id-{name}", generation, incarnation, accuser)


def dead(name, incarnation=0, generation=10):
    return Dead(f"id-{name}", generation, incarnation, "id-x")


def left(name, incarnation=0, generation=10):
    return Left(f"id-{name}", generation, incarnation)


def record(name, key="k", version=1, payload=b"v", generation=10):
    return Record(f"id-{name}", generation, "service", key, version, payload)


def state(name, incarnation, status, *, generation=10, known=True):
    who = None if known else identity(name, generation=generation)
    return State(f"id-{name}", generation, incarnation, status, who)


@pytest.fixture
def table():
    return Table(identity("me"), LAN, now=0.0)


def status_of(table, name):
    member = table.members.get(f"id-{name}")
    return member and member.status


def changes(outcome):
    return [event.change for event in outcome.events]


# alive


def test_a_new_member_joins_and_is_passed_on(table):
    outcome = table.apply(alive("b"), 1.0)
    assert status_of(table, "b") is ALIVE
    assert changes(outcome) == [Change.JOINED]
    assert outcome.rumours == (alive("b"),)
    assert table.live == 2


def test_alive_again_is_no_news(table):
    table.apply(alive("b"), 1.0)
    assert table.apply(alive("b"), 2.0) is NOTHING
    assert table.members["id-b"].since == 1.0


def test_an_older_alive_is_no_news(table):
    table.apply(alive("b", 3), 1.0)
    assert table.apply(alive("b", 2), 2.0) is NOTHING


def test_alive_without_an_identity_of_a_stranger_is_ignored(table):
    assert table.apply(Alive("id-b", 10, 0), 1.0) is NOTHING
    assert status_of(table, "b") is None


def test_alive_whose_identity_is_of_another_host_is_ignored(table):
    assert table.apply(Alive("id-b", 10, 0, identity("c")), 1.0) is NOTHING
    assert table.apply(Alive("id-b", 11, 0, identity("b")), 1.0) is NOTHING
    assert set(table.members) == {"id-me"}


def test_a_higher_incarnation_clears_a_suspicion(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    outcome = table.apply(Alive("id-b", 10, 1), 3.0)
    assert status_of(table, "b") is ALIVE
    assert changes(outcome) == [Change.REFUTED]
    assert table.suspicions == {}


def test_the_same_incarnation_does_not_clear_a_suspicion(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    assert table.apply(alive("b"), 3.0) is NOTHING
    assert status_of(table, "b") is SUSPECT


def test_a_higher_incarnation_brings_back_the_dead(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    outcome = table.apply(Alive("id-b", 10, 1), 3.0)
    assert changes(outcome) == [Change.JOINED]
    assert (table.live, table.dead) == (2, 0)


def test_a_replayed_alive_does_not_bring_back_the_dead(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    assert table.apply(alive("b"), 3.0) is NOTHING
    assert status_of(table, "b") is DEAD


def test_a_member_that_says_something_new_of_itself_is_updated(table):
    table.apply(alive("b"), 1.0)
    outcome = table.apply(alive("b", 1, tags=("gpu",)), 2.0)
    assert changes(outcome) == [Change.UPDATED]
    assert table.members["id-b"].identity.tags == ("gpu",)


# suspect


def test_a_suspect_is_still_live_and_is_passed_on(table):
    table.apply(alive("b"), 1.0)
    outcome = table.apply(suspect("b"), 2.0)
    assert status_of(table, "b") is SUSPECT
    assert changes(outcome) == [Change.SUSPECTED]
    assert outcome.rumours == (suspect("b"),)
    assert table.live == 2


def test_suspecting_a_stranger_is_ignored(table):
    assert table.apply(suspect("b"), 1.0) is NOTHING


def test_a_second_accusation_by_the_same_host_is_no_news(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    assert table.apply(suspect("b"), 3.0) is NOTHING


def test_an_accusation_by_another_host_confirms_and_is_passed_on(table):
    for name in "bcde":
        table.apply(alive(name), 1.0)
    table.apply(suspect("b"), 2.0)
    before = table.suspicions["id-b"].deadline
    confirmation = suspect("b", accuser="id-y")
    assert table.apply(confirmation, 3.0).rumours == (confirmation,)
    assert table.suspicions["id-b"].deadline < before


def test_an_old_suspicion_is_ignored(table):
    table.apply(alive("b", 5), 1.0)
    assert table.apply(suspect("b", 4), 2.0) is NOTHING


def test_a_suspicion_of_a_later_incarnation_starts_anew(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    table.apply(suspect("b", 1, accuser="id-y"), 3.0)
    assert table.suspicions["id-b"].accusers == {"id-y"}
    assert table.members["id-b"].incarnation == 1


def test_a_suspicion_of_the_dead_is_ignored(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    assert table.apply(suspect("b"), 3.0) is NOTHING


def test_a_suspicion_that_runs_out_makes_a_member_dead(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    assert table.expire(5.9) is NOTHING
    outcome = table.expire(6.0)
    assert status_of(table, "b") is DEAD
    assert outcome.rumours == (Dead("id-b", 10, 0, "id-me"),)


def test_our_own_pause_delays_all_suspicions(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b"), 2.0)
    table.delay_suspicions(30.0)
    assert table.expire(35.9) is NOTHING
    assert table.expire(36.0) is not NOTHING


# refutation


@pytest.mark.parametrize("accuse", [suspect, dead, left])
def test_an_accused_host_refutes_with_a_higher_incarnation(table, accuse):
    outcome = table.apply(accuse("me", 3), 1.0)
    assert outcome.refuted
    assert outcome.rumours[0] == Alive("id-me", 10, 4)
    assert status_of(table, "me") is ALIVE


def test_an_accusation_refuted_before_is_ignored(table):
    table.apply(suspect("me", 3), 1.0)
    assert table.apply(suspect("me", 3), 2.0) is NOTHING
    assert table.incarnation == 4


def test_a_host_believed_dead_says_its_records_again_as_others_dropped_them(table):
    table.records.put(record("me"), 0.0)
    (told,) = (r for r in table.apply(dead("me"), 1.0).rumours if isinstance(r, Record))
    assert told == msgspec.structs.replace(record("me"), age=1)
    again = table.apply(suspect("me", 5), 1.0).rumours
    assert not [r for r in again if isinstance(r, Record)]


def test_a_host_that_is_leaving_does_not_refute(table):
    assert table.leave() == Left("id-me", 10, 0)
    assert table.apply(suspect("me"), 1.0) is NOTHING


def test_an_accusation_of_an_earlier_life_of_ours_is_ignored(table):
    assert table.apply(dead("me", 9, generation=9), 1.0) is NOTHING


def test_alive_with_an_incarnation_of_ours_we_never_said_is_outdone(table):
    assert table.apply(Alive("id-me", 10, 7), 1.0).rumours == (Alive("id-me", 10, 8),)
    assert table.apply(Alive("id-me", 10, 8), 2.0) is NOTHING


# dead and left


def test_a_dead_member_is_passed_on_once(table):
    table.apply(alive("b"), 1.0)
    outcome = table.apply(dead("b"), 2.0)
    assert changes(outcome) == [Change.DIED]
    assert (table.live, table.dead) == (1, 1)
    assert table.apply(dead("b"), 3.0) is NOTHING


def test_an_old_dead_is_ignored(table):
    table.apply(alive("b", 5), 1.0)
    assert table.apply(dead("b", 4), 2.0) is NOTHING


def test_a_stranger_dead_is_ignored(table):
    assert table.apply(dead("b"), 1.0) is NOTHING


def test_a_death_of_a_later_incarnation_is_kept_so_that_replays_stay_dead(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    assert table.apply(dead("b", 5), 3.0).events == ()
    assert table.apply(Alive("id-b", 10, 4), 4.0) is NOTHING
    assert table.members["id-b"].since == 2.0


def test_who_left_is_not_dead_and_stays_left(table):
    table.apply(alive("b"), 1.0)
    assert changes(table.apply(left("b"), 2.0)) == [Change.LEFT]
    assert status_of(table, "b") is LEFT
    assert (table.live, table.dead) == (1, 0)
    assert table.apply(left("b"), 3.0) is NOTHING
    assert table.apply(dead("b"), 3.0) is NOTHING
    assert table.apply(suspect("b"), 3.0) is NOTHING


def test_a_good_bye_heard_after_the_death_still_counts(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    table.apply(left("b"), 3.0)
    assert status_of(table, "b") is LEFT


def test_an_old_good_bye_is_ignored(table):
    table.apply(alive("b", 2), 1.0)
    assert table.apply(left("b", 1), 2.0) is NOTHING


def test_who_left_may_start_again(table):
    table.apply(alive("b"), 1.0)
    table.apply(left("b"), 2.0)
    assert changes(table.apply(alive("b", generation=11), 3.0)) == [Change.JOINED]


# generations, addresses, names


def test_a_restart_replaces_the_old_life_at_once_with_its_new_address(table):
    table.apply(alive("b", 9), 1.0)
    moved = Identity("id-b", "b", "http://elsewhere:9000", 11)
    outcome = table.apply(Alive("id-b", 11, 0, moved), 2.0)
    assert table.members["id-b"].identity.url == "http://elsewhere:9000"
    assert table.members["id-b"].incarnation == 0
    assert changes(outcome) == [Change.JOINED]
    assert table.live == 2


@pytest.mark.parametrize("rumour", [alive("b", 99), suspect("b", 99), dead("b", 99), left("b", 99)])
def test_nothing_of_an_earlier_life_counts(table, rumour):
    table.apply(alive("b", generation=11), 1.0)
    assert table.apply(rumour, 2.0) is NOTHING


def test_a_restart_of_a_suspect_or_dead_member_brings_it_back(table):
    table.apply(alive("b"), 1.0)
    table.apply(dead("b"), 2.0)
    table.apply(alive("b", generation=11), 3.0)
    assert status_of(table, "b") is ALIVE


def test_a_new_host_id_under_a_known_name_replaces_the_old_one(table):
    table.apply(alive("b"), 1.0)
    fresh = alive("b", host_id="id-fresh", generation=20)
    outcome = table.apply(fresh, 2.0)
    assert changes(outcome) == [Change.DIED, Change.JOINED]
    assert table.holder("b").host_id == "id-fresh"
    assert table.is_superseded(table.members["id-b"])


def test_a_host_that_takes_a_higher_generation_ends_the_old_holders_of_its_name(table):
    old = alive("me", host_id="id-old", generation=50)
    table.apply(old, 1.0)
    table.apply(Suspect("id-old", 50, 0, "id-x"), 1.0)
    outcome = table.raise_generation(50, 2.0)
    assert changes(outcome) == [Change.DIED, Change.UPDATED]
    assert table.members["id-old"].status is DEAD
    assert table.holder("me").host_id == "id-me"
    assert not table.suspicions


def test_of_two_live_hosts_with_one_name_the_newest_generation_has_it(table):
    table.apply(alive("b", generation=20), 1.0)
    table.apply(alive("b", host_id="id-older", generation=15), 2.0)
    assert table.holder("b").host_id == "id-b"
    assert table.members["id-older"].status is ALIVE


def test_a_live_host_has_a_name_before_a_dead_one_whatever_their_clocks_said(table):
    table.apply(alive("b", generation=20), 1.0)
    table.apply(alive("b", host_id="id-slow-clock", generation=15), 2.0)
    table.apply(dead("b", generation=20), 3.0)
    assert table.holder("b").host_id == "id-slow-clock"


def test_the_loser_of_a_name_that_still_lives_comes_back_and_does_not_flap(table):
    table.apply(alive("b"), 1.0)
    table.apply(alive("b", host_id="id-new", generation=20), 2.0)
    table.apply(Alive("id-b", 10, 1), 3.0)
    table.apply(Alive("id-new", 20, 1), 4.0)
    assert status_of(table, "b") is ALIVE
    assert table.holder("b").host_id == "id-new"


def test_nobody_takes_this_hosts_own_entry_by_taking_its_name(table):
    table.apply(alive("me", host_id="id-thief", generation=99), 1.0)
    assert status_of(table, "me") is ALIVE
    assert table.holder("me").host_id == "id-thief"


def test_another_life_of_our_id_makes_us_take_a_higher_generation(table):
    table.records.put(record("me"), 0.0)
    outcome = table.apply(alive("me", generation=30), 1.0)
    assert outcome.renewed
    assert table.identity.generation == 31
    assert table.incarnation == 0
    assert [r.generation for r in table.records.of("id-me")] == [31]


def test_two_twins_do_not_outbid_each_other_for_ever(table):
    for generation in range(20, 40, 2):
        table.apply(alive("me", generation=generation), 1.0)
    assert table.identity.generation == 20 + 2 * (RAISE_LIMIT - 1) + 1


def test_the_generation_floor_is_the_highest_of_other_lives_of_id_and_name(table):
    table.apply(alive("b", generation=50), 1.0)
    assert generation_floor(table, identity("b", generation=40)) == 50
    assert generation_floor(table, identity("b", generation=60)) == 0
    assert generation_floor(table, identity("b", host_id="id-new", generation=60)) == 50
    assert generation_floor(table, identity("c", generation=1)) == 0


@pytest.mark.parametrize(
    ("boots", "generation", "remembered"),
    [(6, 11, None), (5, 10, None), (5, 11, 5), (3, 11, 5), (0, 11, None)],
)
def test_a_start_not_above_what_we_remember_is_a_restored_folder(
    table, boots, generation, remembered
):
    table.apply(alive("b", boots=5), 1.0)
    newcomer = identity("b", boots=boots, generation=generation)
    assert rolled_back_boots(table, newcomer) == remembered


def test_the_highest_boots_are_remembered_after_a_restored_folder_joined(table):
    table.apply(alive("b", boots=5), 1.0)
    table.apply(alive("b", boots=2, generation=11), 2.0)
    assert table.members["id-b"].identity.boots == 5


# comparisons


def test_a_dead_learned_by_comparison_is_only_suspect(table):
    table.apply(alive("b"), 1.0)
    table.apply_state(state("b", 0, DEAD), "id-peer", 2.0)
    assert status_of(table, "b") is SUSPECT
    assert table.suspicions["id-b"].accusers == {"id-peer"}


def test_a_good_bye_learned_by_comparison_is_believed(table):
    table.apply(alive("b"), 1.0)
    table.apply_state(state("b", 0, LEFT), "id-peer", 2.0)
    assert status_of(table, "b") is LEFT


def test_a_stranger_dead_is_remembered_by_comparison_to_be_tried_again(table):
    table.apply_state(state("b", 3, DEAD, known=False), "id-peer", 1.0)
    assert status_of(table, "b") is DEAD
    assert (table.live, table.dead) == (1, 1)


def test_a_live_stranger_is_learned_by_comparison(table):
    outcome = table.apply_state(state("b", 3, SUSPECT, known=False), "id-peer", 1.0)
    assert status_of(table, "b") is SUSPECT
    assert changes(outcome) == [Change.JOINED, Change.SUSPECTED]


def test_a_later_life_that_died_unseen_is_doubted_not_believed(table):
    table.apply(alive("b"), 1.0)
    table.apply_state(state("b", 0, DEAD, generation=11, known=False), "id-peer", 2.0)
    assert status_of(table, "b") is SUSPECT
    assert table.members["id-b"].generation == 11


def test_what_a_comparison_says_against_us_is_refuted(table):
    assert table.apply_state(state("me", 2, DEAD), "id-peer", 1.0).refuted
    assert table.incarnation == 3


# records and digest


def test_a_record_of_a_live_member_is_kept_and_passed_on(table):
    table.apply(alive("b"), 1.0)
    outcome = table.apply(record("b"), 2.0)
    assert changes(outcome) == [Change.RECORD]
    assert outcome.rumours == (record("b"),)
    assert table.apply(record("b"), 3.0) is NOTHING


def test_a_record_of_a_stranger_or_another_life_is_ignored(table):
    assert table.apply(record("b"), 1.0) is NOTHING
    table.apply(alive("b"), 1.0)
    assert table.apply(record("b", generation=9), 2.0) is NOTHING


def test_nobody_sets_our_records_for_us(table):
    assert table.apply(record("me"), 1.0) is NOTHING


@pytest.mark.parametrize("end", [dead("b"), left("b"), alive("b", generation=11)])
def test_records_go_with_the_life_of_their_owner(table, end):
    table.apply(alive("b"), 1.0)
    table.apply(record("b"), 2.0)
    table.apply(end, 3.0)
    assert table.records.of("id-b") == ()


def test_the_digest_is_the_same_whatever_the_order_of_news():
    news = [alive("b"), alive("c"), suspect("b"), record("c"), Alive("id-b", 10, 1)]
    digests = set()
    for order in (news, [news[1], news[3], news[0], news[2], news[4]]):
        table = Table(identity("me"), LAN, now=0.0)
        for rumour in order:
            table.apply(rumour, 1.0)
        digests.add(table.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("news", [alive("c"), suspect("b"), Alive("id-b", 10, 1), record("b")])
def test_the_digest_shows_every_difference_among_the_live(table, news):
    table.apply(alive("b"), 1.0)
    before = table.digest
    table.apply(news, 2.0)
    assert table.digest != before


def test_the_digest_forgets_the_dead(table):
    before = table.digest
    table.apply(alive("b"), 1.0)
    table.apply(record("b"), 1.0)
    table.apply(dead("b"), 2.0)
    assert table.digest == before


# ourselves and forgetting


def test_a_change_of_what_we_say_of_ourselves_is_told_whole(table):
    changed = msgspec.structs.replace(table.identity, tags=("gpu",))
    told = msgspec.structs.replace(changed, edition=1)
    assert table.update_self(changed).rumours == (Alive("id-me", 10, 1, told, 1),)


def test_a_refutation_after_a_change_of_ours_tells_the_change_again(table):
    table.update_self(msgspec.structs.replace(table.identity, tags=("gpu",)))
    assert table.apply(suspect("me", 1), 1.0).rumours[0].identity.tags == ("gpu",)


def test_a_brief_refutation_does_not_hide_that_we_missed_a_change_of_the_identity(table):
    table.apply(alive("b"), 1.0)
    table.apply(suspect("b", 1), 2.0)
    assert table.apply(Alive("id-b", 10, 2, None, 1), 3.0) is NOTHING
    assert status_of(table, "b") is SUSPECT
    table.apply(Alive("id-b", 10, 2, identity("b", tags=("gpu",), edition=1), 1), 4.0)
    assert table.members["id-b"].identity.tags == ("gpu",)


def test_who_left_is_forgotten_after_a_while_and_the_dead_are_not():
    table = Table(identity("me"), MeshTiming(left_keep=100.0), now=0.0)
    for name in "bc":
        table.apply(alive(name), 1.0)
    table.apply(left("b"), 2.0)
    table.apply(dead("c"), 2.0)
    table.forget(103.0)
    assert set(table.members) == {"id-me", "id-c"}


def test_a_replaced_member_is_forgotten_after_a_while():
    table = Table(identity("me"), MeshTiming(left_keep=100.0), now=0.0)
    table.apply(alive("b"), 1.0)
    table.apply(alive("b", host_id="id-new", generation=20), 2.0)
    table.forget(103.0)
    assert set(table.members) == {"id-me", "id-new"}
    assert table.dead == 0


def test_beyond_a_limit_the_longest_dead_are_forgotten():
    table = Table(identity("me"), MeshTiming(dead_limit=1), now=0.0)
    for when, name in enumerate("bc"):
        table.apply(alive(name), 1.0)
        table.apply(dead(name), 2.0 + when)
    table.forget(10.0)
    assert set(table.members) == {"id-me", "id-c"}
