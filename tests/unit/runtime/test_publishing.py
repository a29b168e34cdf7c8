"""A host tells the mesh what it provides: the first change at once, changes only, within limits."""

from paglets.runtime import publishing
from paglets.runtime.publishing import PAUSE, Publisher
from paglets.runtime.recorder import Recorder
from paglets.runtime.registry import Offer, Registry, Source
from paglets.testing.clock import elapse, run_virtual
from paglets.testing.waiting import turn
from paglets.wire.bodies import ServiceBody
from tests.unit.runtime.fakes import FakeRecords
from tests.unit.runtime.samples import ALPHA, make_ref


class Bench:
    def __init__(self):
        self.registry, self.records, self.recorder = Registry(), FakeRecords(), Recorder("alpha")
        self.publisher = Publisher(self.registry, self.records, self.recorder)
        self.registry.changed = self.publisher.changed

    def offer(self, *names, agent_id="a", **fields):
        ref = make_ref(ALPHA, agent_id=agent_id)
        offers = [
            Offer(ServiceBody(name=name, version="1", provider=ref, **fields)) for name in names
        ]
        self.registry.put(Source.DECLARED, agent_id, offers)

    @property
    def keys(self):
        return sorted(key for _, key in self.records.told)


def run(scenario):
    bench = Bench()
    run_virtual(scenario(bench))
    return bench


def test_the_first_change_is_told_at_once_and_so_is_its_end_after_a_pause():
    async def scenario(bench):
        bench.offer("tokenizer")
        await turn(2)
        assert bench.keys == ["tokenizer/1/a"]
        await elapse(PAUSE)
        bench.offer()
        await turn(2)
        assert bench.keys == []

    run(scenario)


def test_changes_that_follow_closely_are_told_together_in_their_last_state():
    async def scenario(bench):
        bench.offer("one")
        await turn(2)
        for number in range(100):
            bench.offer("one", metadata={"number": str(number)})
        bench.offer("one", "two")
        await elapse(PAUSE)
        assert bench.keys == ["one/1/a", "two/1/a"]
        assert [key for _, key, _ in bench.records.published] == ["one/1/a", "two/1/a"]

    run(scenario)


def test_only_what_changed_is_told():
    async def scenario(bench):
        bench.offer("one", "two")
        await elapse(PAUSE)
        bench.offer("three", agent_id="b")
        await elapse(PAUSE)
        bench.offer("two", capabilities=("gpu",))
        await elapse(PAUSE)

    bench = run(scenario)
    told = [(key, payload is None) for _, key, payload in bench.records.published]
    assert told == [
        ("one/1/a", False),
        ("two/1/a", False),
        ("three/1/b", False),
        ("one/1/a", True),
        ("two/1/a", False),
    ]


def test_a_host_with_very_many_providers_tells_of_some_and_says_so(monkeypatch):
    monkeypatch.setattr(publishing, "SHARED_LIMIT", 2)

    async def scenario(bench):
        bench.offer("one")
        bench.offer("one", agent_id="b")
        bench.offer("one", "two", agent_id="c")
        await elapse(PAUSE)
        assert bench.keys == ["one/1/a", "two/1/c"]
        assert "2 of this host's service providers" in bench.publisher.warnings()[0]
        bench.offer("two", agent_id="c")
        bench.offer(agent_id="b")
        await elapse(PAUSE)
        assert bench.publisher.warnings() == []

    bench = run(scenario)
    (event,) = bench.recorder.read(kind="service").events
    assert (event.level, event.text.split(":")[0]) == (
        "warning",
        "has 4 providers of services for the mesh and tells it of 2",
    )


def test_many_wide_records_are_told_as_far_as_the_mesh_has_room(monkeypatch):
    monkeypatch.setattr(publishing, "SHARED_LIMIT_BYTES", 500)

    async def scenario(bench):
        for number in range(3):
            bench.offer("wide", agent_id=f"a{number}", metadata={"a": "b" * 200})
        await elapse(PAUSE)

    bench = run(scenario)
    assert bench.keys == ["wide/1/a0", "wide/1/a1"]
    assert bench.publisher.left_out == 1


def test_a_record_that_does_not_fit_is_left_out_and_holds_nothing_up(caplog):
    async def scenario(bench):
        bench.offer("wide", metadata={"a": "b" * 5000})
        bench.offer("one", agent_id="b")
        await elapse(PAUSE)

    bench = run(scenario)
    assert bench.keys == ["one/1/b"]
    assert "service wide of a" in caplog.text
