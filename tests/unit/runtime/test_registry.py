"""Service records of a host follow the paglets that live there."""

import pytest

from paglets.model.enums import ServiceScope
from paglets.model.manifest import ClassManifest, ContractManifest, OperationManifest
from paglets.runtime.registry import Registry, matches
from paglets.wire.bodies import ServiceBody
from tests.unit.runtime.samples import ALPHA, MANIFEST, make_ref

PROVIDER = ClassManifest(
    class_name="words:Tokenizer",
    state_class=None,
    code_version="v1",
    services=(
        ContractManifest(
            name="tokenizer", version="2", operations=(OperationManifest(name="split"),)
        ),
        ContractManifest(name="secret", version="1", scope=ServiceScope.LOCAL),
    ),
)


@pytest.fixture
def living():
    return [(make_ref(ALPHA, agent_id="a"), PROVIDER), (make_ref(ALPHA, agent_id="b"), MANIFEST)]


def advertised(agent_id="b", name="extra", version="1", **fields):
    return ServiceBody(
        name=name, version=version, provider=make_ref(ALPHA, agent_id=agent_id), **fields
    )


def names(records):
    return sorted(record.name for record in records)


def test_class_declared_services_come_and_go_with_their_paglets(living):
    registry = Registry(lambda: living)
    assert names(registry) == ["secret", "tokenizer"]
    living.pop(0)
    assert names(registry) == []


def test_only_services_of_the_mesh_are_shared(living):
    assert names(Registry(lambda: living).shared()) == ["tokenizer"]


def test_what_is_advertised_is_replaced_withdrawn_and_gone_with_its_provider(living):
    registry = Registry(lambda: living)
    registry.advertise(advertised(capabilities=("gpu",)))
    registry.advertise(advertised(capabilities=("cpu",)))
    assert [r.capabilities for r in registry if r.name == "extra"] == [("cpu",)]
    registry.withdraw("b", "extra", "1")
    registry.withdraw("b", "extra", "1")
    assert "extra" not in names(registry)
    registry.advertise(advertised())
    provider = living.pop()
    assert "extra" not in names(registry)
    living.append(provider)
    assert "extra" not in names(registry)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"name": "tokenizer", "version": "2"}, True),
        ({"name": "tokenizer", "version": "1"}, False),
        ({"name": "token", "version": "2"}, False),
        ({"name": "tokenizer", "version": "2", "operations": ["split"]}, True),
        ({"name": "tokenizer", "version": "2", "operations": ["split", "join"]}, False),
        ({"name": "tokenizer", "version": "2", "capabilities": ["gpu"]}, False),
    ],
)
def test_a_match_is_name_exact_version_and_all_that_was_asked_for(living, wanted, expected):
    found = [matches(record, **wanted) for record in Registry(lambda: living)]
    assert any(found) is expected
