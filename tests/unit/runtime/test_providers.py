"""The registry follows the paglets of its host through all that can happen to them."""

from dataclasses import replace

import pytest

from paglets.mesh.directory import MeshRecord
from paglets.mesh.members import Change
from paglets.mesh.notices import MeshEvent
from paglets.model.enums import PagletStatus, ServiceScope
from paglets.model.errors import TooLargeError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest, ContractManifest, OperationManifest
from paglets.model.refs import Epoch
from paglets.runtime.providers import MOVED_LINGER, MOVING_LINGER, Providers
from paglets.runtime.recorder import Recorder
from paglets.runtime.registry import Registry
from paglets.runtime.roster import Roster
from paglets.testing.clock import elapse, run_virtual
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import AdvertiseCall
from paglets.wire.servicerecords import SERVICE_KIND, encode_service, service_key
from tests.unit.runtime.samples import ALPHA, BETA, MANIFEST, make_host, make_ref, make_row

SPLIT = OperationManifest(name="split", request_schema={"type": "object"})
PROVIDER = ClassManifest(
    class_name="words:Tokenizer",
    state_class=None,
    code_version="v1",
    services=(ContractManifest(name="tokenizer", version="2", operations=(SPLIT,)),),
)
WAKING, SLEEPING = DeactivationPolicy(), DeactivationPolicy(activate_on_message=False)


class Bench:
    """A roster with nothing but what follows it."""

    def __init__(self):
        self.registry, self.recorder = Registry(), Recorder("alpha")
        self.roster = Roster(ALPHA)
        self.providers = Providers(self.registry, self.roster, self.recorder)
        self.roster.changed = self.providers.changed

    def put(self, status=PagletStatus.ACTIVE, manifest=PROVIDER, **fields):
        return self.roster.put(make_row(status, manifest=manifest, **fields))

    def advertise(self, paglet, name="extra", **fields):
        call = AdvertiseCall(name=name, version="1", operations=(SPLIT,), **fields)
        self.providers.advertise(paglet, call)

    @property
    def names(self):
        return sorted(record.name for record in self.registry)

    @property
    def events(self):
        return [event.text for event in self.recorder.read(kind="service").events]


@pytest.fixture
def bench():
    return Bench()


def test_what_a_class_declares_is_offered_with_its_schemas_and_address(bench):
    bench.put(epoch=Epoch(0, 3))
    (offer,) = bench.registry.offers()
    assert (offer.record.operations, offer.record.class_name) == (("split",), "words:Tokenizer")
    assert (offer.record.host_name, offer.record.scope) == ("alpha", ServiceScope.MESH)
    assert (offer.record.provider.agent_id, offer.record.provider.epoch) == ("tour", Epoch(0, 3))
    assert offer.contract is PROVIDER.services[0]


@pytest.mark.parametrize(
    ("status", "policy", "is_offered"),
    [
        (PagletStatus.ACTIVE, None, True),
        (PagletStatus.INACTIVE, WAKING, True),
        (PagletStatus.INACTIVE, SLEEPING, False),
        (PagletStatus.CRASHED, None, False),
        (PagletStatus.UNREADABLE, None, False),
        (PagletStatus.HELD, None, False),
        (PagletStatus.CLONING, None, False),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_paglet_is_offered_while_a_call_reaches_it(bench, status, policy, is_offered, is_known):
    if is_known:
        bench.put()
    bench.put(status, policy=policy)
    assert bench.names == (["tokenizer"] if is_offered else [])
    bench.put()
    assert bench.names == ["tokenizer"]


def test_a_paglet_that_is_disposed_is_gone_at_once(bench):
    bench.put()
    bench.roster.drop("tour")
    assert bench.names == []


def test_a_commit_that_changes_nothing_of_its_offers_tells_nothing(bench):
    paglet = bench.put()
    bench.registry.changed = pytest.fail
    paglet.become(replace(paglet.row, changed_at=99.0))


def test_a_paglet_that_came_back_is_offered_at_its_new_epoch(bench):
    bench.put()
    bench.put(epoch=Epoch(0, 7))
    assert [record.provider.epoch for record in bench.registry] == [Epoch(0, 7)]


def test_a_host_that_is_reached_elsewhere_offers_its_paglets_there(bench):
    bench.put()
    bench.roster.readdress("http://10.0.0.2:8765")
    assert [record.provider.host_url for record in bench.registry] == ["http://10.0.0.2:8765"]


def test_a_class_loaded_anew_is_offered_as_it_is_now(bench):
    paglet = bench.put()
    contracts = (*PROVIDER.services, ContractManifest(name="counter", version="1"))
    paglet.become(replace(paglet.row, manifest=replace(PROVIDER, services=contracts)))
    assert bench.names == ["counter", "tokenizer"]
    paglet.become(replace(paglet.row, manifest=MANIFEST))
    assert bench.names == []


def test_a_paglet_on_its_way_is_offered_until_its_new_host_has_told_of_it(bench):
    async def scenario():
        bench.put()
        bench.put(PagletStatus.MOVING, epoch=Epoch(0, 1), peer=BETA)
        assert [record.provider.epoch for record in bench.registry] == [Epoch(0, 0)]
        bench.put(PagletStatus.MOVED, epoch=Epoch(0, 1), peer=BETA)
        assert bench.names == ["tokenizer"]
        bench.providers.heard(told_by_beta(birth_id="another"))
        assert bench.names == ["tokenizer"]
        bench.providers.heard(told_by_beta())
        assert bench.names == []

    run_virtual(scenario())


def told_by_beta(birth_id="birth"):
    ref = make_ref(BETA, birth_id=birth_id)
    record = ServiceBody(name="tokenizer", version="2", provider=ref)
    payload = encode_service(record)
    told = MeshRecord(BETA.host_id, SERVICE_KIND, service_key(record), 1, payload)
    return MeshEvent(Change.RECORD, make_host(BETA), told)


def test_a_record_of_another_host_takes_nothing_from_a_paglet_that_lives_here(bench):
    bench.put()
    bench.providers.heard(told_by_beta())
    assert bench.names == ["tokenizer"]


def test_a_paglet_that_moved_is_offered_for_a_moment_where_its_new_host_tells_nothing(bench):
    async def scenario():
        bench.put()
        bench.put(PagletStatus.MOVED, epoch=Epoch(0, 1), peer=BETA)
        await elapse(MOVED_LINGER - 0.1)
        assert bench.names == ["tokenizer"]
        await elapse(0.2)
        assert bench.names == []

    run_virtual(scenario())


def test_a_paglet_in_doubt_is_offered_no_more_and_again_when_it_comes_back(bench):
    async def scenario():
        paglet = bench.put()
        bench.advertise(paglet)
        bench.put(PagletStatus.MOVING, epoch=Epoch(0, 1), peer=BETA)
        await elapse(MOVING_LINGER + 0.1)
        assert bench.names == []
        bench.put(epoch=Epoch(0, 2))
        await elapse(60)
        assert bench.names == ["extra", "tokenizer"]

    run_virtual(scenario())


def test_a_paglet_that_was_refused_in_time_is_offered_without_a_gap(bench):
    async def scenario():
        bench.put()
        bench.put(PagletStatus.MOVING, epoch=Epoch(0, 1), peer=BETA)
        bench.put(epoch=Epoch(0, 2))
        await elapse(60)
        assert bench.names == ["tokenizer"]

    run_virtual(scenario())
    assert bench.events == ["provides tokenizer 2"]


def test_a_tombstone_found_at_the_start_offers_nothing(bench):
    async def scenario():
        bench.put(PagletStatus.MOVED, peer=BETA)
        bench.put(PagletStatus.MOVING, agent_id="other", peer=BETA)
        assert bench.names == []

    run_virtual(scenario())


def test_what_a_paglet_advertises_is_replaced_and_withdrawn(bench):
    paglet = bench.put(manifest=MANIFEST)
    bench.advertise(paglet, capabilities=("gpu",))
    bench.advertise(paglet, capabilities=("cpu",), metadata={"lang": "en"})
    (offer,) = bench.registry.offers()
    assert (offer.record.capabilities, offer.record.metadata) == (("cpu",), {"lang": "en"})
    assert offer.contract.operations == (SPLIT,)
    bench.providers.withdraw(paglet, "extra", "1")
    bench.providers.withdraw(paglet, "extra", "1")
    assert bench.names == []


def test_advertising_a_declared_contract_says_more_of_it(bench):
    paglet = bench.put()
    call = AdvertiseCall(
        name="tokenizer", version="2", operations=(SPLIT,), scope=ServiceScope.LOCAL
    )
    bench.providers.advertise(paglet, call)
    assert [record.scope for record in bench.registry] == [ServiceScope.LOCAL]
    bench.providers.withdraw(paglet, "tokenizer", "2")
    assert [record.scope for record in bench.registry] == [ServiceScope.MESH]


def test_what_is_advertised_outlasts_sleep_but_neither_a_crash_nor_a_move(bench):
    async def scenario():
        paglet = bench.put(manifest=MANIFEST)
        bench.advertise(paglet)
        for status, policy, names in [
            (PagletStatus.INACTIVE, WAKING, ["extra"]),
            (PagletStatus.INACTIVE, SLEEPING, []),
            (PagletStatus.ACTIVE, None, ["extra"]),
            (PagletStatus.CRASHED, None, []),
            (PagletStatus.ACTIVE, None, []),
        ]:
            paglet.become(replace(paglet.row, status=status, policy=policy))
            assert bench.names == names
        bench.advertise(paglet)
        paglet.become(replace(paglet.row, status=PagletStatus.MOVED, peer=BETA))
        await elapse(MOVED_LINGER + 0.1)
        paglet.become(replace(paglet.row, status=PagletStatus.ACTIVE, epoch=Epoch(0, 2)))
        assert bench.names == []

    run_virtual(scenario())


def test_what_the_mesh_cannot_carry_is_refused_and_changes_nothing(bench):
    paglet = bench.put(manifest=MANIFEST)
    bench.advertise(paglet, metadata={"a": "b"})
    with pytest.raises(TooLargeError, match=r"extra of tour.* 4096"):
        bench.advertise(paglet, metadata={"a": "b" * 5000})
    assert [record.metadata for record in bench.registry] == [{"a": "b"}]


def test_what_a_paglet_begins_and_ceases_to_provide_is_recorded(bench):
    paglet = bench.put()
    bench.advertise(paglet)
    bench.roster.drop("tour")
    assert bench.events == [
        "provides tokenizer 2",
        "provides extra 1, tokenizer 2",
        "provides no more extra 1, tokenizer 2",
    ]
