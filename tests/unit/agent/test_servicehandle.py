"""Handles: which provider is asked, and what happens when it is gone."""

from dataclasses import dataclass

import msgspec
import pytest

from paglets import (
    DeadlineError,
    HostUnreachableError,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
    PagletProxyRef,
    ServiceContract,
    ServiceNotFoundError,
    ServiceOperation,
    ServiceReplyError,
    ServiceScope,
)
from paglets.agent.services import Services
from paglets.model.errors import MailboxFullError, UnavailableError
from paglets.model.refs import Epoch
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall, LookupReply, SendReply
from tests.unit.agent.fakeport import FakePort


@dataclass
class Text:
    text: str


ECHO = ServiceOperation("echo", Text, Text)
COUNT = ServiceOperation("count", Text, int)
ECHOER = ServiceContract("echoer", [ECHO, COUNT])


def body(host, agent_id="p", *, epoch=Epoch(), operations=("echo", "count"), **fields):
    ref = PagletProxyRef(f"http://{host}:1", agent_id, f"id-{host}", host, epoch, f"birth-{host}")
    return ServiceBody(
        name="echoer", version="1", provider=ref, operations=operations, host_name=host, **fields
    )


class Mesh:
    """Providers by host, and what each answers."""

    def __init__(self, *hosts):
        self.port, self.found = FakePort(), [body(host) for host in hosts]
        self.answers, self.asked = {}, []
        self.port.script["lookup"] = lambda call: LookupReply(services=tuple(self.found))
        self.port.script["send"] = self._send

    def _send(self, call):
        self.asked.append(call.to.host_name)
        answer = self.answers.get(call.to.host_name)
        if isinstance(answer, Exception):
            raise answer
        return answer or SendReply(reply=b'{"text":"of %s"}' % call.to.host_name.encode())

    @property
    def services(self):
        return Services(self.port)

    def lookups(self):
        return [request for name, request, _ in self.port.asked if name == "lookup"]


GONE = PagletNotFoundError("no host has it")
NOTHING_RAN = [
    GONE,
    HostUnreachableError("no answer", connected=False),
    PagletInactiveError("asleep", handled=False),
    PagletCrashedError("has crashed", handled=False),
    UnavailableError("is stopping", handled=False),
    MailboxFullError("is full", handled=False),
]
MAY_HAVE_RUN = [
    HostUnreachableError("no answer", connected=True),
    PagletCrashedError("crashed in it"),
    UnavailableError("cut short"),
    DeadlineError("no reply in time"),
    PagletInactiveError("stored"),
]


@pytest.mark.parametrize("error", NOTHING_RAN)
def test_where_nothing_can_have_run_the_next_provider_is_asked_once(error):
    mesh = Mesh("alpha", "beta", "gamma")
    mesh.answers["alpha"] = error
    handle = mesh.services.require(ECHOER)
    assert handle.call(ECHO, Text("a")) == Text("of beta")
    assert mesh.asked == ["alpha", "beta"]
    assert handle.record.host_name == "beta"
    assert handle.call(ECHO, Text("a")) == Text("of beta")


@pytest.mark.parametrize("error", MAY_HAVE_RUN)
def test_where_it_may_have_run_the_error_is_raised_and_nobody_else_is_asked(error):
    mesh = Mesh("alpha", "beta")
    mesh.answers["alpha"] = error
    with pytest.raises(type(error)) as raised:
        mesh.services.require(ECHOER).call(ECHO, Text("a"))
    assert raised.value is error
    assert mesh.asked == ["alpha"]


def test_a_second_provider_that_is_gone_too_is_an_error():
    mesh = Mesh("alpha", "beta", "gamma")
    mesh.answers |= {"alpha": GONE, "beta": GONE}
    with pytest.raises(PagletNotFoundError):
        mesh.services.require(ECHOER).call(ECHO, Text("a"))
    assert mesh.asked == ["alpha", "beta"]


def test_a_provider_that_is_gone_without_another_is_an_error():
    mesh = Mesh("alpha")
    mesh.answers["alpha"] = GONE
    with pytest.raises(PagletNotFoundError):
        mesh.services.require(ECHOER).call(ECHO, Text("a"))
    assert (mesh.asked, len(mesh.lookups())) == (["alpha"], 2)


def test_a_provider_that_lacks_the_operation_does_not_take_over():
    mesh = Mesh("alpha")
    handle = mesh.services.require(ECHOER)
    mesh.found, mesh.answers["alpha"] = [body("beta", operations=("count",))], GONE
    with pytest.raises(PagletNotFoundError):
        handle.call(ECHO, Text("a"))


def test_a_provider_that_has_moved_meanwhile_is_asked_where_it_is_now():
    mesh = Mesh("alpha")
    handle = mesh.services.require(ECHOER)
    moved = body("beta")
    mesh.found, mesh.answers["alpha"] = [moved], GONE
    assert handle.call(ECHO, Text("a")) == Text("of beta")


def test_handles_of_a_look_up_of_all_stay_with_their_providers():
    mesh = Mesh("alpha", "beta")
    mesh.answers["alpha"] = GONE
    first, second = mesh.services.lookup_all(ECHOER)
    with pytest.raises(PagletNotFoundError):
        first.call(ECHO, Text("a"))
    assert second.call(ECHO, Text("a")) == Text("of beta")
    assert mesh.asked == ["alpha", "beta"]


def test_a_repeated_call_keeps_its_derived_id_and_uses_up_one():
    mesh = Mesh("alpha", "beta")
    mesh.port.ids, mesh.answers["alpha"] = ["first", "second"], GONE
    mesh.services.require(ECHOER).call(ECHO, Text("a"))
    sent = [mesh.port.sent(i) for i, (name, *_) in enumerate(mesh.port.asked) if name == "send"]
    assert [message.message_id for message in sent] == ["first", "first"]
    assert mesh.port.ids == ["second"]


def test_a_repeated_call_has_only_the_time_that_is_left():
    mesh = Mesh("alpha", "beta")
    mesh.answers["alpha"] = GONE
    mesh.services.require(ECHOER).call(ECHO, Text("a"), timeout=5.0)
    first, second = [timeout for name, _, timeout in mesh.port.asked if name == "send"]
    assert first == 5.0
    assert second < 5.0


def test_the_record_has_what_the_glossary_says_and_follows_the_provider():
    mesh = Mesh()
    mesh.found = [body("alpha", capabilities=("gpu",), metadata={"lang": "en"})]
    now = PagletProxyRef("http://beta:1", "p", "id-beta", "beta", Epoch(0, 1))
    mesh.answers["alpha"] = SendReply(reply=b'{"text":""}', address=now)
    handle = mesh.services.require(ECHOER)
    record = handle.record
    assert (record.name, record.version, record.operations) == ("echoer", "1", ("echo", "count"))
    assert (record.capabilities, dict(record.metadata)) == (("gpu",), {"lang": "en"})
    assert (record.scope, record.host_name) == (ServiceScope.MESH, "alpha")
    handle.call(ECHO, Text("a"))
    assert (handle.record.provider, handle.record.host_name) == (now, "beta")


def test_an_operation_of_another_contract_is_the_callers_mistake():
    handle = Mesh("alpha").services.require(ECHOER)
    with pytest.raises(TypeError, match="other is no operation of echoer version 1"):
        handle.call(ServiceOperation("other", Text, Text), Text("a"))
    with pytest.raises(TypeError, match="which has echo, count"):
        handle.call(ServiceOperation("echo", Text, int), Text("a"))


def test_a_reply_that_does_not_fit_names_the_provider():
    mesh = Mesh("alpha")
    mesh.answers["alpha"] = SendReply(reply=b'{"text":1}')
    with pytest.raises(ServiceReplyError, match="p on alpha broke the contract of operation echo"):
        mesh.services.require(ECHOER).call(ECHO, Text("a"))


def test_async_code_awaits_a_call_and_keeps_the_new_address():
    mesh = Mesh("alpha")
    handle = mesh.services.require(ECHOER)
    reply = handle.call_future(COUNT, Text("a"))
    now = PagletProxyRef("http://beta:1", "p", "id-beta", "beta", Epoch(0, 1))
    mesh.port.futures[0].set_result(SendReply(reply=b"3", address=now))
    assert reply.result() == 3
    assert handle.record.host_name == "beta"


@pytest.mark.parametrize("name", ["require", "lookup", "lookup_all"])
def test_what_is_asked_for_is_asked_of_the_host(name):
    mesh = Mesh("alpha")
    getattr(mesh.services, name)(
        ECHOER, scope=ServiceScope.LOCAL, capabilities=["gpu"], operations=[COUNT], host="beta"
    )
    (asked,) = mesh.lookups()
    assert asked.limit == (0 if name == "lookup_all" else 1)
    assert [msgspec.structs.replace(asked, limit=0, seed=0)] == [
        LookupCall(
            name="echoer",
            version="1",
            operations=("count",),
            capabilities=("gpu",),
            host="beta",
            scope=ServiceScope.LOCAL,
        )
    ]


def test_all_providers_are_found_though_one_answer_does_not_hold_them():
    mesh = Mesh()
    every = [body("alpha", f"p{number}") for number in range(7)]

    def page(call):
        told = every[call.skip : call.skip + 3]
        return LookupReply(services=tuple(told), is_last=call.skip + 3 >= len(every))

    mesh.port.script["lookup"] = page
    found = mesh.services.lookup_all(ECHOER)
    assert [handle.record.provider for handle in found] == [each.provider for each in every]
    assert len({call.seed for call in mesh.lookups()}) == 1


def test_providers_that_go_between_two_answers_do_not_hold_a_look_up_up():
    mesh = Mesh()
    one = LookupReply(services=(body("alpha"),), is_last=False)
    mesh.port.script["lookup"] = one
    assert len(mesh.services.lookup_all(ECHOER)) == 1


def test_why_nobody_serves_is_told_with_the_versions_there_are():
    mesh = Mesh()
    mesh.port.script["lookup"] = LookupReply(
        services=(), reason="nobody provides echoer version 1 (mesh)", versions=("2", "3")
    )
    with pytest.raises(ServiceNotFoundError, match="nobody provides echoer version 1") as raised:
        mesh.services.require(ECHOER)
    assert (raised.value.version, raised.value.versions) == ("1", ["2", "3"])


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"capabilities": "gpu"}, TypeError, r"such as \['gpu'\]"),
        ({"capabilities": [7]}, TypeError, "a capability is text, not 7"),
        ({"capabilities": ["a,b"]}, ValueError, "no comma"),
        ({"capabilities": [""]}, ValueError, "1 to 64 characters"),
        ({"capabilities": ["x" * 65]}, ValueError, "1 to 64 characters"),
        ({"metadata": {"cores": 8}}, TypeError, "metadata is text by text, not 'cores': 8"),
    ],
)
def test_what_cannot_be_told_of_a_service_is_refused_where_it_is_said(told, error, says):
    with pytest.raises(error, match=says):
        Services(FakePort()).advertise(ECHOER, **told)


def test_a_paglet_advertises_only_what_it_has_methods_for():
    services = Services(FakePort())
    services.provides = lambda operation: operation is ECHO
    with pytest.raises(TypeError, match="no method is marked @provides for its operation 'count'"):
        services.advertise(ECHOER)
