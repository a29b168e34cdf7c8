"""Look-ups answer from this host's registry and from the gossip, and ask nobody."""

import pytest

from paglets.model.enums import ServiceScope
from paglets.model.errors import ServiceNotFoundError
from paglets.model.manifest import ContractManifest, OperationManifest
from paglets.model.refs import Epoch
from paglets.runtime import services as services_module
from paglets.runtime.load import encode_load
from paglets.runtime.registry import Offer, Registry, Source
from paglets.runtime.services import Services
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall
from paglets.wire.servicerecords import LOAD_KIND, SERVICE_KIND, encode_service, service_key
from tests.unit.runtime.fakes import FakeHosts, FakeRecords
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_ref


class Bench:
    def __init__(self):
        self.registry, self.records, self.hosts = Registry(), FakeRecords(), FakeHosts()
        self.services = Services(self.registry, self.hosts, self.records)

    def host(self, place, *, load=None, **fields):
        host = make_host(place, **fields)
        self.hosts.known.append(host)
        if load is not None:
            self.records.hear(LOAD_KIND, host, "", encode_load(load))
        return host

    def here(self, **fields):
        self.registry.put(Source.DECLARED, "a", [Offer(body(ALPHA, **fields))])

    def there(self, host, place, **fields):
        record = body(place, **fields)
        self.records.hear(SERVICE_KIND, host, service_key(record), encode_service(record))

    def find(self, **query):
        return self.services.find(LookupCall(name=query.pop("name", "tokenizer"), **query))

    def found(self, **query):
        return [record.host_name for record in self.find(**query).services]


def body(place, **fields):
    epoch, birth_id = fields.pop("epoch", Epoch()), fields.pop("birth_id", place.name)
    return ServiceBody(
        name=fields.pop("name", "tokenizer"),
        version=fields.pop("version", "1"),
        provider=make_ref(
            place, agent_id=fields.pop("agent_id", "a"), epoch=epoch, birth_id=birth_id
        ),
        host_name=place.name,
        **fields,
    )


@pytest.fixture
def bench():
    return Bench()


def test_providers_here_and_elsewhere_are_found_best_first(bench):
    bench.there(bench.host(BETA, load=3), BETA)
    bench.there(bench.host(GAMMA, load=1), GAMMA)
    bench.here()
    assert bench.found() == ["alpha", "gamma", "beta"]
    assert bench.found(scope=ServiceScope.LOCAL) == ["alpha"]


def test_where_no_load_is_known_the_host_with_fewest_paglets_is_first(bench):
    bench.there(bench.host(BETA, active_count=5), BETA)
    bench.there(bench.host(GAMMA, active_count=2), GAMMA)
    assert bench.found() == ["gamma", "beta"]


def test_a_record_comes_with_all_that_was_advertised_and_the_present_url(bench):
    host = bench.host(BETA, url="http://moved:1")
    bench.there(host, BETA, operations=("split",), capabilities=("gpu",), metadata={"a": "b"})
    (record,) = bench.find().services
    assert (record.operations, record.capabilities, record.metadata) == (
        ("split",),
        ("gpu",),
        {"a": "b"},
    )
    assert record.provider.host_url == "http://moved:1"
    assert (record.provider.birth_id, record.scope) == ("beta", ServiceScope.MESH)


@pytest.mark.parametrize(
    "unusable", [{"online": False}, {"error": "beta runs other code", "code_version": "v2"}]
)
def test_hosts_offline_or_of_other_code_are_never_chosen_and_named(bench, unusable):
    bench.there(bench.host(BETA, **unusable), BETA)
    reply = bench.find()
    assert reply.services == ()
    assert "except beta" in reply.reason


@pytest.mark.parametrize("doubt", [{"status": "suspect"}, {"error": "beta drains"}])
def test_a_host_that_may_be_gone_soon_comes_last(bench, doubt):
    bench.there(bench.host(BETA, **doubt), BETA)
    bench.there(bench.host(GAMMA, load=100), GAMMA)
    assert bench.found() == ["gamma", "beta"]


def test_versions_there_are_come_with_the_refusal(bench):
    bench.here(version="1")
    bench.there(bench.host(BETA), BETA, version="3")
    reply = bench.find(version="2")
    assert reply.versions == ("1", "3")
    assert "versions there are: 1, 3" in reply.reason


def test_a_paglet_that_moved_is_found_once_where_it_is_now(bench):
    bench.here(birth_id="one", epoch=Epoch(0, 1))
    bench.there(bench.host(BETA), BETA, birth_id="one", epoch=Epoch(0, 2))
    assert bench.found() == ["beta"]


def test_equally_good_providers_are_not_always_taken_in_the_same_order(bench):
    host = bench.host(BETA)
    for number in range(8):
        bench.there(host, BETA, agent_id=f"a{number}", birth_id=str(number))
    firsts = {bench.find().services[0].provider.agent_id for _ in range(200)}
    assert len(firsts) > 1


def test_the_contracts_this_host_provides_are_described_with_their_schemas(bench):
    split = OperationManifest(name="split", request_schema={"a": 1}, reply_schema={"b": 2})
    contracts = [
        ContractManifest(name="tokenizer", version=version, operations=(split,))
        for version in ("2", "1")
    ]
    for number, contract in enumerate(contracts):
        record = body(ALPHA, version=contract.version)
        bench.registry.put(Source.DECLARED, str(number), [Offer(record, contract)])
    bench.there(bench.host(BETA), BETA, version="3")
    found = bench.services.describe("tokenizer", "").contracts
    assert [contract.version for contract in found] == ["1", "2"]
    (operation,) = found[0].operations
    assert (operation.name, operation.request, operation.reply) == ("split", {"a": 1}, {"b": 2})
    assert [c.version for c in bench.services.describe("tokenizer", "2").contracts] == ["2"]
    with pytest.raises(ServiceNotFoundError, match="versions there are: 1, 2"):
        bench.services.describe("tokenizer", "3")


def test_one_provider_is_asked_for_and_told(bench):
    bench.there(bench.host(BETA, load=9), BETA)
    bench.there(bench.host(GAMMA, load=1), GAMMA)
    assert bench.found(limit=1) == ["gamma"]
    bench.here()
    assert bench.found(limit=1) == ["alpha"]
    assert bench.found(limit=1, host="beta") == ["beta"]
    assert bench.found(limit=2) == ["alpha", "gamma"]


def test_very_many_providers_are_told_in_several_answers(bench, monkeypatch):
    monkeypatch.setattr(services_module, "PAGE_BYTES", 1000)
    host = bench.host(BETA)
    for number in range(20):
        bench.there(host, BETA, agent_id=f"a{number}", birth_id=str(number))
    told, is_last = [], False
    while not is_last:
        query = LookupCall(name="tokenizer", skip=len(told), seed=7)
        reply = bench.services.page(query)
        told.extend(record.provider.agent_id for record in reply.services)
        assert 0 < len(reply.services) < 20
        is_last = reply.is_last
    assert sorted(told) == sorted(f"a{number}" for number in range(20))


def test_an_answer_of_one_page_says_why_nobody_serves(bench):
    bench.here(version="2")
    reply = bench.services.page(LookupCall(name="tokenizer", version="1"))
    assert (reply.services, reply.versions, reply.is_last) == ((), ("2",), True)


def test_all_services_are_listed_where_no_name_is_given(bench):
    bench.here(name="one")
    bench.there(bench.host(BETA), BETA, name="two")
    assert bench.found(name="") == ["alpha", "beta"]


def test_a_record_that_is_none_is_passed_over_and_logged(bench, caplog):
    host = bench.host(BETA)
    bench.records.hear(SERVICE_KIND, host, "tokenizer/1", b"nonsense")
    bench.there(host, BETA)
    assert bench.found() == ["beta"]
    assert "beta told no service record at 'tokenizer/1'" in caplog.text


def test_this_hosts_own_records_on_the_gossip_are_not_its_registry(bench):
    bench.there(bench.hosts.me, ALPHA)
    assert bench.found() == []
