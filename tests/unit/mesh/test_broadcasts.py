from paglets.mesh.broadcasts import Broadcasts
from paglets.mesh.messages import Alive, Dead, Record, Suspect, rumour_size


def take_all(queue, limit=3, budget=10_000):
    told = []
    while taken := queue.take(budget, limit):
        told.append(taken)
    return told


def test_each_piece_of_news_is_told_a_bounded_number_of_times():
    queue = Broadcasts()
    queue.add(Dead("b", 1, 0, "a"))
    assert take_all(queue, limit=3) == [[Dead("b", 1, 0, "a")]] * 3
    assert len(queue) == 0


def test_newer_news_of_the_same_member_replaces_the_older():
    queue = Broadcasts()
    queue.add(Suspect("b", 1, 0, "a"))
    queue.take(1000, 3)
    queue.add(Alive("b", 1, 1))
    assert take_all(queue, limit=2) == [[Alive("b", 1, 1)]] * 2


def test_records_of_one_host_do_not_replace_each_other():
    queue = Broadcasts()
    for key in ("x", "y"):
        queue.add(Record("b", 1, "service", key, 1, b""))
    queue.add(Dead("b", 1, 0, "a"))
    assert len(queue) == 3


def test_the_least_told_news_goes_first_when_room_is_short():
    queue = Broadcasts()
    old, new = Dead("old", 1, 0, "a"), Dead("new", 1, 0, "a")
    queue.add(old)
    queue.take(1000, 5)
    queue.add(new)
    assert queue.take(rumour_size(new) + 5, 5) == [new]


def test_news_beyond_the_budget_waits_for_the_next_frame():
    queue = Broadcasts()
    news = [Dead(f"h{number}", 1, 0, "a") for number in range(10)]
    for rumour in news:
        queue.add(rumour)
    budget = 4 * rumour_size(news[0])
    first = queue.take(budget, 1)
    assert len(first) == 4
    assert len(queue) == 6
    assert sorted(r.host_id for taken in [first, *take_all(queue, 1)] for r in taken) == sorted(
        r.host_id for r in news
    )


def test_what_is_discarded_is_not_told():
    queue = Broadcasts()
    queue.add(Dead("b", 1, 0, "a"))
    queue.discard(("b",))
    queue.discard(("b",))
    assert queue.take(1000, 3) == []


def test_what_the_other_side_just_said_is_not_repeated_to_it_nor_counted():
    queue = Broadcasts()
    queue.add(Dead("b", 1, 0, "a"))
    queue.add(Dead("c", 1, 0, "a"))
    assert queue.take(1000, 1, [Dead("b", 1, 0, "a"), Suspect("c", 1, 0, "a")]) == [
        Dead("c", 1, 0, "a")
    ]
    assert queue.take(1000, 1) == [Dead("b", 1, 0, "a")]
