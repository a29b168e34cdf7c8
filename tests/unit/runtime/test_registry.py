"""The registry of one host: what its sources tell, and what of it other hosts are told."""

from paglets.model.enums import ServiceScope
from paglets.runtime.registry import Offer, Registry, Source, shared
from paglets.wire.bodies import ServiceBody
from tests.unit.runtime.samples import ALPHA, make_ref


def offer(name="tokenizer", agent_id="a", **fields):
    return Offer(
        ServiceBody(
            name=name,
            version=fields.pop("version", "1"),
            provider=make_ref(ALPHA, agent_id=agent_id),
            **fields,
        )
    )


def names(registry):
    return [record.name for record in registry]


def test_what_a_source_tells_is_there_until_it_takes_it_back():
    registry = Registry()
    registry.put(Source.DECLARED, "a", [offer("one"), offer("two")])
    registry.put(Source.DECLARED, "b", [offer("three", agent_id="b")])
    assert names(registry) == ["one", "two", "three"]
    registry.put(Source.DECLARED, "a", [offer("two")])
    assert names(registry) == ["two", "three"]
    registry.put(Source.DECLARED, "a", [])
    assert names(registry) == ["three"]


def test_of_one_provider_and_contract_the_later_source_is_believed():
    registry = Registry()
    registry.put(Source.ADVERTISED, "a", [offer(capabilities=("gpu",))])
    registry.put(Source.DECLARED, "a", [offer(), offer("other")])
    assert [(r.name, r.capabilities) for r in registry] == [("tokenizer", ("gpu",)), ("other", ())]
    registry.put(Source.ADVERTISED, "a", [])
    assert [(r.name, r.capabilities) for r in registry] == [("tokenizer", ()), ("other", ())]


def test_each_change_is_told_and_nothing_else():
    registry, told = Registry(), []
    registry.changed = lambda: told.append(names(registry))
    registry.put(Source.DECLARED, "a", [])
    registry.put(Source.DECLARED, "a", [offer()])
    registry.put(Source.DECLARED, "a", [])
    registry.put(Source.DECLARED, "a", [])
    assert told == [["tokenizer"], []]


def test_only_services_of_the_mesh_are_shared():
    records = [offer("open").record, offer("own", scope=ServiceScope.LOCAL).record]
    assert shared(records) == [records[0]]


def test_first_providers_of_every_contract_are_shared_before_second_ones():
    many = [offer("many", agent_id=f"m{number}").record for number in range(5)]
    few = [offer("few", agent_id=f"f{number}").record for number in range(2)]
    other = offer("few", version="2").record
    told = shared([*many, *few, other])
    assert told == [many[0], few[0], other, many[1], few[1], *many[2:]]


def test_what_is_shared_changes_little_when_a_provider_goes():
    many = [offer("many", agent_id=f"m{number}").record for number in range(9)]
    before, after = shared(many)[:4], shared(many[1:])[:4]
    assert after == [*before[1:], many[4]]
