"""The facets of a context over a port whose answers the test writes."""

from dataclasses import dataclass

import pytest

from paglets import (
    HostNotFoundError,
    HostRef,
    PagletStatus,
    ResourceRegistry,
    ServiceContract,
    ServiceNotFoundError,
    ServiceOperation,
    ServiceScope,
)
from paglets.agent import port as port_module
from paglets.agent.contextevents import Events
from paglets.agent.mesh import Mesh
from paglets.agent.port import Operation
from paglets.agent.proxies import Proxies
from paglets.agent.services import Services
from paglets.wire.bodies import AgentInfo, ServiceBody
from paglets.wire.hostbodies import EventBody
from paglets.wire.hostcalls import (
    OPERATIONS,
    Empty,
    EventsReply,
    HostReplyBody,
    HostsReply,
    LeaseReply,
    ListReply,
    LookupReply,
    ProxyReply,
    SendReply,
)
from tests.unit.agent.fakeport import OTHER, FakePort


@dataclass
class Tok:
    text: str


@dataclass
class Toks:
    words: list[str]


TOKENIZE = ServiceOperation("tokenize", Tok, Toks)
COUNT = ServiceOperation("count", Tok, int)
TOKENIZER = ServiceContract("tokenizer", [TOKENIZE, COUNT])
BODY = ServiceBody(
    name="tokenizer", version="1", provider=OTHER, operations=("tokenize",), host_name="beta"
)


@pytest.fixture
def port() -> FakePort:
    made = FakePort()
    made.script["lookup"] = LookupReply(services=(BODY,))
    return made


def test_every_operation_of_the_wire_has_its_typed_constant():
    constants = [each for each in vars(port_module).values() if isinstance(each, Operation)]

    assert {each.name: (each.request, each.reply) for each in constants} == OPERATIONS


def test_a_required_service_is_called_with_its_types(port: FakePort):
    port.script["send"] = SendReply(reply=b'{"words": ["a", "b"]}')

    handle = Services(port).require(TOKENIZER)

    assert handle.call(TOKENIZE, Tok("a b")) == Toks(["a", "b"])
    assert (port.sent().kind, bytes(port.sent().args)) == ("tokenize", b'{"text":"a b"}')
    assert handle.record.provider == OTHER


def test_a_request_of_another_type_is_refused_before_it_is_sent(port: FakePort):
    with pytest.raises(TypeError, match="takes a Tok"):
        Services(port).require(TOKENIZER).call(TOKENIZE, Toks([]))


def test_an_operation_the_provider_does_not_have_is_not_found(port: FakePort):
    with pytest.raises(ServiceNotFoundError, match="count"):
        Services(port).require(TOKENIZER).call(COUNT, Tok(""))


def test_a_service_nobody_provides_is_not_found(port: FakePort):
    port.script["lookup"] = LookupReply(services=())
    services = Services(port)

    assert services.lookup(TOKENIZER) is None
    assert services.lookup_all(TOKENIZER) == []
    with pytest.raises(ServiceNotFoundError, match="tokenizer version 1"):
        services.require(TOKENIZER)


def test_scopes_are_enums(port: FakePort):
    with pytest.raises(TypeError, match=r"ServiceScope\.MESH"):
        Services(port).require(TOKENIZER, scope="mesh")


def test_a_lease_is_renewed_and_released_when_its_block_ends(port: FakePort):
    port.script["lease"] = lambda request: LeaseReply(lease_id="l1", ttl=request.ttl)

    with Services(port).lease(TOKENIZER, ttl=30.0) as lease:
        before = lease.expires_at
        lease.renew(60.0)
        assert lease.expires_at > before + 29

    leases = [request for name, request, _ in port.asked if name == "lease"]
    assert [(each.ttl, each.lease_id) for each in leases] == [
        (30.0, None),
        (60.0, "l1"),
        (0.0, "l1"),
    ]


def test_a_service_is_advertised_and_withdrawn(port: FakePort):
    port.script |= {"advertise": Empty(), "withdraw": Empty()}
    services = Services(port)

    services.advertise(TOKENIZER, scope=ServiceScope.LOCAL, metadata={"lang": "en"})
    services.withdraw(TOKENIZER)

    request = port.asked[0][1]
    assert [operation.name for operation in request.operations] == ["tokenize", "count"]
    assert request.operations[1].reply_schema == {"type": "integer"}
    assert (request.scope, request.metadata) == (ServiceScope.LOCAL, {"lang": "en"})


def test_the_mesh_is_what_this_host_knows(port: FakePort):
    beta = HostRef("beta", "http://beta:1", online=False)
    port.script["hosts"] = lambda call: HostsReply(hosts=(beta,) if call.name == "beta" else ())
    port.script["wait_host"] = HostReplyBody(host=None)
    mesh = Mesh(port)

    assert mesh.lookup("beta") == beta
    assert mesh.lookup("gamma") is None
    assert not mesh.is_online("beta")
    with pytest.raises(HostNotFoundError, match="gamma"):
        mesh.wait_for_host("gamma", 0.5)


def test_hosts_are_asked_for_page_by_page(port: FakePort):
    hosts = [HostRef(name, f"http://{name}:1", host_id=name) for name in "abc"]
    port.script["hosts"] = lambda call: {
        None: HostsReply(hosts=tuple(hosts[:2]), next=("b", "b")),
        ("b", "b"): HostsReply(hosts=tuple(hosts[2:])),
    }[call.after]

    assert Mesh(port).hosts(include_self=False) == hosts
    assert [request.include_self for _, request, _ in port.asked] == [False, False]


def test_proxies_are_made_by_id_by_host_and_by_search(port: FakePort):
    port.script["find"] = ProxyReply(ref=OTHER)
    port.script["list"] = ListReply(
        agents=(AgentInfo(agent_id="c1", class_name="m:C", status="active", host_url="http://a"),)
    )
    proxies = Proxies(port, "http://alpha:1")

    assert proxies.get("x").host_url == "http://alpha:1"
    assert proxies.get("b1", "beta").ref() == OTHER
    assert proxies.find("b1").ref() == OTHER
    assert [each.agent_id for each in proxies.list(status=PagletStatus.ACTIVE)] == ["c1"]
    assert [request.search for name, request, _ in port.asked if name == "find"] == [False, True]


def test_events_are_read_and_added(port: FakePort):
    body = EventBody(sequence=3, time=1.0, kind="crash", host_name="alpha", text="gone")
    port.script |= {"events": EventsReply(events=(body,)), "emit": Empty()}
    events = Events(port)

    events.emit("found", "a hit", path="/x")

    assert events.read()[0].text == "gone"
    assert port.asked[0][1].detail == b'{"path":"/x"}'
    with pytest.raises(TypeError, match="detail"):
        events.emit("found", thing=object())


def test_cleanups_run_newest_first_and_one_that_raises_stops_no_other():
    registry, done = ResourceRegistry(), []

    class Stuck:
        def close(self) -> None:
            raise OSError("stuck")

    registry.register("a", lambda: done.append("a"))
    registry.track("stuck", Stuck())
    registry.register("b", lambda: done.append("b"))
    registry.register("c", lambda: done.append("c"))
    assert registry.remove("c")
    assert not registry.remove("c")
    with pytest.raises(ValueError, match="already"):
        registry.register("a", print)

    (failure,) = registry.clean_up()

    assert done == ["b", "a"]
    assert "OSError: stuck" in failure
    assert registry.names() == ()
