"""`paglets.connect`: proxies for code outside any paglet."""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest

import paglets
from paglets import DeactivationPolicy, Message, PagletProxyRef, TransferTicket
from paglets.model.errors import (
    ClassNotAllowedError,
    HostNotFoundError,
    HostUnreachableError,
    InvalidNameError,
    InvalidRequestError,
    MailboxFullError,
    PagletCrashedError,
    PagletNotFoundError,
    ServiceNotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from tests.fakemesh import CLASS


@dataclass
class TourState:
    visits: list[str] = field(default_factory=list)


@dataclass
class Text:
    text: str


ECHO = paglets.ServiceOperation("echo", Text, Text)
TOKENIZER = paglets.ServiceContract("tokenizer", [ECHO])


def test_create_sends_the_state_and_an_idempotency_key(client, mesh):
    proxy = client.create(CLASS, TourState(["alpha"]), agent_id="joe")
    assert proxy.agent_id == "joe"
    _, class_name, state, key = mesh.alpha.calls[0]
    assert (class_name, state, len(key)) == (CLASS, b'{"visits":["alpha"]}', 32)


def test_create_takes_the_state_as_a_dict_where_the_class_cannot_be_imported(client, mesh):
    client.create(CLASS, {"visits": ["x"]})
    assert mesh.alpha.calls[0][2] == b'{"visits":["x"]}'


def test_a_state_that_is_no_json_is_refused_before_anything_is_asked(client, mesh):
    with pytest.raises(TypeError, match=r"state\['when'\]"):
        client.create(CLASS, {"when": object()})


def test_create_works_on_a_host_behind_the_entry(client, mesh):
    for host in ("beta", mesh.hosts.refs["beta"], mesh.beta.url):
        client.create(CLASS, host=host)
    assert len(mesh.beta.rows) == 3
    assert not mesh.alpha.rows


def test_errors_of_a_host_are_the_same_classes_here(client):
    with pytest.raises(ClassNotAllowedError):
        client.create("other:Class")
    with pytest.raises(InvalidNameError):
        client.create("no class at all")


def test_a_proxy_of_an_id_finds_the_paglet_wherever_it_is(client, mesh):
    mesh.beta.put("joe")
    assert client.proxy("joe").host_url == mesh.beta.url
    assert client.proxy("joe", host="beta").ref().host_name == "beta"
    with pytest.raises(PagletNotFoundError):
        client.proxy("nobody")
    with pytest.raises(PagletNotFoundError):
        client.proxy("joe", host="alpha")


def test_a_proxy_of_a_reference_asks_nothing_until_it_is_used(client, mesh):
    proxy = client.proxy(PagletProxyRef(mesh.beta.url, "joe"))
    with pytest.raises(PagletNotFoundError):
        proxy.info()
    mesh.beta.put("joe")
    assert proxy.info().host_name == "beta"


def test_send_gives_the_reply_as_json_or_as_the_type_asked_for(client, mesh):
    mesh.beta.put("joe")
    proxy = client.proxy("joe")
    assert proxy.send(Message("echo", {"text": "hi"})) == {"text": "hi"}
    assert proxy.send(Message("echo", {"text": "hi"}), Text) == Text("hi")
    assert proxy.send_future(Message("echo", {"text": "hi"}), Text).result() == Text("hi")
    assert proxy.send_oneway(Message("echo")) is None


def test_a_proxy_keeps_working_after_its_paglet_moved_behind_its_back(client, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.states["joe"] = b'{"n":1}'
    proxy, other = client.proxy("joe"), client.proxy("joe")
    other.dispatch("beta")
    assert proxy.state() == {"n": 1}
    assert proxy.info().host_name == "beta"
    proxy.send(Message("echo"))
    assert proxy.host_url == mesh.beta.url


def test_every_verb_reaches_the_host_of_the_paglet(client, mesh):
    mesh.alpha.put("joe")
    proxy = client.proxy("joe")
    assert proxy.dispatch("beta").host_url == mesh.beta.url
    assert proxy.retract("alpha").host_url == mesh.alpha.url
    assert proxy.clone("beta").host_url == mesh.beta.url
    assert proxy.clone().host_url == mesh.alpha.url
    proxy.deactivate(DeactivationPolicy.after(60))
    assert proxy.info().status == "inactive"
    proxy.activate()
    assert proxy.dispatch(TransferTicket(destination="beta", retries=3)).agent_id == "joe"
    proxy.dispose(force=True)
    with pytest.raises(PagletNotFoundError):
        mesh.beta.row("joe")


def test_retry_for_repeats_one_id_and_counts_its_attempts(client, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [
        UnavailableError("starting", retry_after=0.01),
        PagletCrashedError("its process ended"),
        HostUnreachableError("gone", retry_after=0.01),
    ]
    message = Message("echo", {"n": 1})
    assert client.proxy("joe").send(message, retry_for=20) == {"n": 1}
    assert mesh.alpha.attempts == [(message.message_id, n) for n in (1, 2, 3, 4)]


def test_without_retry_for_a_message_is_sent_once(client, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [UnavailableError("starting")]
    with pytest.raises(UnavailableError):
        client.proxy("joe").send(Message("echo"))
    assert len(mesh.alpha.attempts) == 1


def test_a_retry_after_beyond_the_time_left_ends_the_repeats_at_once(client, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [MailboxFullError("full", retry_after=500)]
    with pytest.raises(MailboxFullError):
        client.proxy("joe").send(Message("echo"), timeout=5, retry_for=5)
    assert len(mesh.alpha.attempts) == 1


def test_what_a_handler_raised_is_not_repeated(client, mesh):
    mesh.alpha.put("joe")
    with pytest.raises(paglets.HandlerError) as caught:
        client.proxy("joe").send(Message("fail"), retry_for=20)
    assert caught.value.exception_type == "ValueError"
    assert len(mesh.alpha.attempts) == 1


def test_hosts_are_those_the_entry_knows(client):
    assert [host.name for host in client.hosts()] == ["alpha", "beta"]
    assert client.mesh.is_online("beta")
    assert client.mesh.wait_for_host("beta", 1).name == "beta"
    with pytest.raises(HostNotFoundError):
        client.mesh.wait_for_host("gamma", 0.05)
    with pytest.raises(HostNotFoundError):
        client.create(CLASS, host="http://127.0.0.1:9")


def test_services_are_found_by_contract_and_called(client, mesh):
    mesh.add_service(mesh.beta, "tok")
    assert client.services.require(TOKENIZER).call(ECHO, Text("a")) == Text("a")
    other = paglets.ServiceContract("tokenizer", [ECHO], version="2")
    with pytest.raises(ServiceNotFoundError):
        client.services.require(other)


def test_what_only_a_paglet_can_do_is_refused(client):
    with pytest.raises(InvalidRequestError, match="advertise is for paglets"):
        client.services.advertise(TOKENIZER)


def test_events_of_the_entry_host_can_be_read(client, mesh):
    mesh.add_event(mesh.alpha, "create", agent_id="joe")
    (event,) = client.events.read()
    assert (event.kind, event.agent_id) == ("create", "joe")


def test_agents_are_those_of_the_entry_host_over_all_pages(client, mesh):
    mesh.page = 2
    for number in range(5):
        mesh.alpha.put(f"a{number}")
    assert len(client.agents()) == 5


def test_it_works_where_a_loop_runs(mesh):
    async def notebook() -> object:
        with paglets.connect(mesh.url) as client:
            proxy = client.create(CLASS)
            reply = await proxy.send_future(Message("echo", {"n": 2}))
            return [proxy.send(Message("echo", {"n": 1})), reply]

    assert asyncio.run(notebook()) == [{"n": 1}, {"n": 2}]


def test_a_closed_client_says_so_and_leaves_no_thread(mesh):
    before = set(threading.enumerate())
    client = paglets.connect(mesh.url)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.hosts()
    assert set(threading.enumerate()) <= before


def test_a_host_that_does_not_answer_is_told_at_once_and_leaves_no_thread(mesh):
    before = set(threading.enumerate())
    with pytest.raises(HostUnreachableError):
        paglets.connect("http://127.0.0.1:9")
    assert set(threading.enumerate()) <= before


def test_without_the_key_of_the_host_the_error_names_it(mesh, tmp_path, monkeypatch):
    monkeypatch.setenv("PAGLETS_HOME", str(tmp_path / "stranger"))
    with pytest.raises(UnauthorizedError) as caught:
        paglets.connect(mesh.url)
    assert caught.value.key_id == mesh.keyring.primary.id


def test_direct_clients_connect_to_each_host_themselves(mesh):
    with paglets.connect(mesh.url, direct=True) as client:
        proxy = client.create(CLASS, host="beta")
        assert proxy.send(Message("echo", {"n": 1})) == {"n": 1}
        assert client.create(CLASS, host=mesh.beta.url).host_url == mesh.beta.url
        with pytest.raises(HostNotFoundError):
            client.create(CLASS, host="gamma")


def test_connect_is_a_function_whichever_way_it_is_imported():
    import paglets.connect as by_name
    from paglets import connect

    assert callable(by_name)
    assert callable(connect)


def test_proxies_work_from_many_threads_at_once(client, mesh):
    mesh.beta.put("joe")
    proxy = client.proxy("joe")
    replies: list[object] = []
    threads = [
        threading.Thread(target=lambda n=n: replies.append(proxy.send(Message("echo", {"n": n}))))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(reply["n"] for reply in replies) == list(range(8))
