"""Bad input over HTTP: a clear typed 4xx, nothing changed, nothing imported, never a 500."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Limits
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from tests.process.lifecycle.stage import AGENTS
from tests.process.messages.raw import RawApi

TALKER = "talking:Talker"
KIB = 1024


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Two hosts; a module that must never be imported lies on their import path."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    mark = elsewhere / "imported"
    (elsewhere / "forbidden.py").write_text(
        f"from paglets import Paglet\nopen({str(mark)!r}, 'w').close()\n"
        "class Thing(Paglet[None]): ...\n"
    )
    with LocalMesh(
        2,
        agents=AGENTS,
        limits=Limits(state_bytes=64 * KIB),
        environment={"PYTHONPATH": str(elsewhere)},
    ) as running:
        yield running
    assert not mark.exists(), "a module outside the allowed prefixes was imported"


@pytest.fixture(scope="module")
def api(mesh: LocalMesh) -> RawApi:
    settings = mesh["alpha"].settings
    assert settings.key_file is not None
    return RawApi(mesh["alpha"].url, settings.key_file)


@pytest.fixture(scope="module")
def talker(mesh: LocalMesh) -> PagletProxy:
    return mesh.client().create(TALKER)


@pytest.fixture(autouse=True)
def nothing_changes(mesh: LocalMesh, talker: PagletProxy) -> Iterator[None]:
    """Whatever a test sends, the same paglets are there afterwards, in the same state."""
    before = (mesh["alpha"].statuses(), talker.state())
    yield
    assert (mesh["alpha"].statuses(), talker.state()) == before


def creation(**fields: object) -> dict[str, object]:
    return {"class": TALKER, **fields}


BAD_CREATIONS = {
    "an unknown module": (creation(**{"class": "nowhere:Thing"}), 403, "class_not_allowed"),
    "an unknown class": (creation(**{"class": "talking:Nobody"}), 422, "class_load"),
    "no paglet": (creation(**{"class": "talking:TalkerState"}), 422, "class_load"),
    "Paglet itself": (creation(**{"class": "paglets:Paglet"}), 403, "class_not_allowed"),
    "outside the prefixes": (creation(**{"class": "forbidden:Thing"}), 403, "class_not_allowed"),
    "a prefix of a name": (creation(**{"class": "talk:Thing"}), 403, "class_not_allowed"),
    "a name with a prefix": (creation(**{"class": "talking2:Thing"}), 403, "class_not_allowed"),
    "the standard library": (creation(**{"class": "os:system"}), 403, "class_not_allowed"),
    "no class name": (creation(**{"class": "talking"}), 400, "invalid_name"),
    "a path for a class": (creation(**{"class": "../talking:Talker"}), 400, "invalid_name"),
    "dunders": (creation(**{"class": "talking:Talker.__init__"}), 400, "invalid_name"),
    "a call for a class": (creation(**{"class": "talking:Talker()"}), 400, "invalid_name"),
    "a number for a class": (creation(**{"class": 7}), 400, "bad_request"),
    "no class": ({}, 400, "bad_request"),
    "an unknown field": (creation(colour="red"), 400, "bad_request"),
    "a wrong type": (creation(state={"heard": "text"}), 422, "state_error"),
    "a wrong type inside": (creation(state={"heard": [1]}), 422, "state_error"),
    "a wrong reference": (creation(state={"friend": {"agent_id": 5}}), 422, "state_error"),
    "an unknown state field": (creation(state={"shoes": 2}), 422, "state_error"),
    "a list for a state": (creation(state=[1, 2]), 422, "state_error"),
    "a text for a state": (creation(state="x"), 422, "state_error"),
    "a huge state": (creation(state={"name": "x" * 80 * KIB}), 413, "too_large"),
    "slashes in the id": (creation(agent_id="a/b"), 400, "invalid_name"),
    "dots in the id": (creation(agent_id="../../etc"), 400, "invalid_name"),
    "an empty id": (creation(agent_id=""), 400, "invalid_name"),
    "a long id": (creation(agent_id="x" * 65), 400, "invalid_name"),
    "a zero byte in the id": (creation(agent_id="a\0b"), 400, "invalid_name"),
    "no ASCII in the id": (creation(agent_id="käse"), 400, "invalid_name"),
    "a line feed after the id": (creation(agent_id="abc\n"), 400, "invalid_name"),
    "a list": ([], 400, "bad_request"),
    "null": (b"null", 400, "bad_request"),
    "no JSON": (b"{class", 400, "bad_request"),
    "nothing": (b"", 400, "bad_request"),
    "bytes that are no text": (b"\xff\xfe", 400, "bad_request"),
    "a body that goes on": (b'{"class": "talking:Talker"} x', 400, "bad_request"),
    "deep nesting": (b'{"class": "talking:Talker", "state": ' + b"[" * 5000, 400, "bad_request"),
    "deep nesting that closes": (
        b'{"class": "talking:Talker", "state": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        400,
        "bad_request",
    ),
    "a number beyond 64 bits": (
        b'{"class": "queueing:Clerk", "state": {"most": 18446744073709551616}}',
        422,
        "state_error",
    ),
}


@pytest.mark.parametrize("what", BAD_CREATIONS)
def test_a_creation_is_refused_with(api: RawApi, what: str) -> None:
    body, status, code = BAD_CREATIONS[what]
    answer = api.ask("POST", "/agents", body)
    assert (answer.status, answer.code) == (status, code), answer


def test_the_error_of_a_state_names_the_field(api: RawApi) -> None:
    answer = api.ask("POST", "/agents", creation(state={"heard": ["a", 1]}))
    assert answer.body["error"]["detail"]["field"] == "heard[1]"
    assert "heard[1]" in answer.message
    assert "str" in answer.message


def test_an_oversize_body_is_refused_before_it_is_read(api: RawApi) -> None:
    answer = api.ask("POST", "/agents/x/messages", b"x" * (1024 * KIB + 1))
    assert (answer.status, answer.code) == (413, "too_large")


def say(**fields: object) -> dict[str, object]:
    return {"kind": "hear", "args": {"text": "x"}, **fields}


BAD_MESSAGES = {
    "no kind": ({"args": {}}, 400, "bad_request"),
    "a number for a kind": (say(kind=7), 400, "bad_request"),
    "a kind nobody handles": (say(kind="fly"), 422, "not_handled"),
    "an empty kind": (say(kind=""), 422, "not_handled"),
    "a list for args": (say(args=[1]), 400, "bad_request"),
    "null for args": (say(args=None), 400, "bad_request"),
    "a priority beyond": (say(priority=11), 400, "bad_request"),
    "a priority below": (say(priority=-1), 400, "bad_request"),
    "a priority in words": (say(priority="high"), 400, "bad_request"),
    "a broken priority": (say(priority=1.5), 400, "bad_request"),
    "negative time": (say(budget_ms=-5), 400, "bad_request"),
    "too long a retry": (say(retry_for_ms=10**9), 400, "bad_request"),
    "a negative retry": (say(retry_for_ms=-1), 400, "bad_request"),
    "an id with a path": (say(message_id="../x"), 400, "invalid_name"),
    "a long id": (say(message_id="x" * 65), 400, "invalid_name"),
    "a path of numbers": (say(path=[1]), 400, "bad_request"),
    "a sender in words": (say(sender="me"), 400, "bad_request"),
    "a future protocol": (say(protocol=99), 400, "bad_request"),
    "another sort of arguments": (say(args={"text": 5}), 400, "bad_request"),
    "arguments too few": (say(args={}), 400, "bad_request"),
    "arguments too many": (say(args={"text": "x", "more": 1}), 400, "bad_request"),
    "no JSON": (b"hello", 400, "bad_request"),
    "nothing": (b"", 400, "bad_request"),
    "a list": ([], 400, "bad_request"),
    "deep arguments": (
        b'{"kind": "hear", "args": {"text": ' + b"[" * 3000 + b"]" * 3000 + b"}}",
        None,
        None,
    ),
    "infinite numbers": (b'{"kind": "hear", "args": {"text": NaN}}', 400, "bad_request"),
}


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_a_message_is_refused_with(api: RawApi, talker: PagletProxy, what: str) -> None:
    body, status, code = BAD_MESSAGES[what]
    answer = api.ask("POST", f"/agents/{talker.agent_id}/messages", body)
    assert 400 <= answer.status < 500, answer
    assert answer.message
    if status is not None:
        assert answer.status == status, answer
    if code is not None:
        assert answer.code == code, answer


BAD_VERBS = {
    "dispatch to nobody": ("dispatch", {}, 400),
    "dispatch to a number": ("dispatch", {"ticket": {"destination": 5}}, 400),
    "dispatch with a bad mode": (
        "dispatch",
        {"ticket": {"destination": "beta", "arrival_mode": "sideways"}},
        400,
    ),
    "dispatch with negative retries": (
        "dispatch",
        {"ticket": {"destination": "beta", "retries": -1}},
        400,
    ),
    "dispatch to a file": ("dispatch", {"ticket": {"destination": "file:///etc/passwd"}}, None),
    "dispatch to a link-local address": (
        "dispatch",
        {"ticket": {"destination": "http://169.254.169.254/"}},
        None,
    ),
    "dispatch with a password": (
        "dispatch",
        {"ticket": {"destination": "http://me:pw@127.0.0.1:1"}},
        None,
    ),
    "dispatch for a bad reason": (
        "dispatch",
        {"ticket": {"destination": "beta"}, "reason": "fun"},
        400,
    ),
    "deactivate until yesterday's words": (
        "deactivate",
        {"policy": {"activate_at": "tomorrow"}},
        400,
    ),
    "deactivate with a list": ("deactivate", {"policy": []}, 400),
    "dispose with a word for force": ("dispose", {"force": "yes"}, 400),
    "dispose with what there is not": ("dispose", {"gently": True}, 400),
    "activate with a list": ("activate", [], 400),
    "clone with an id that is a path": ("clone", {"agent_id": "../x"}, 400),
    "retract from a number": ("retract", {"source": 5}, 400),
    "no JSON": ("dispatch", b"{{", 400),
    "an unknown verb": ("explode", {}, 404),
}


@pytest.mark.parametrize("what", BAD_VERBS)
def test_a_verb_is_refused(api: RawApi, talker: PagletProxy, what: str) -> None:
    verb, body, status = BAD_VERBS[what]
    answer = api.ask("POST", f"/agents/{talker.agent_id}/{verb}", body)
    assert 400 <= answer.status < 504, answer
    assert answer.status != 500, answer
    assert answer.message
    if status is not None:
        assert answer.status == status, answer


BAD_PATHS = {
    "an unknown route": ("GET", "/nothing", 404),
    "an unknown method": ("PATCH", "/agents", 405),
    "a method of another route": ("DELETE", "/agents", 405),
    "a paglet that is not here": ("GET", "/agents/nobody", 404),
    "state of a paglet that is not here": ("GET", "/agents/nobody/state", 404),
    "dots for an id": ("GET", "/agents/..%2f..%2fetc%2fpasswd", 400),
    "a zero byte for an id": ("GET", "/agents/a%00b", 400),
    "a long id": ("GET", "/agents/" + "x" * 65, 400),
    "no UTF-8 for an id": ("GET", "/agents/%ff%fe", 400),
    "an id with a space": ("GET", "/agents/a%20b", 400),
    "a transfer that is a path": ("GET", "/transfers/..%2fx", 400),
    "a limit in words": ("GET", "/agents?limit=many", 400),
    "a limit beyond": ("GET", "/agents?limit=1001", 400),
    "a limit of nothing": ("GET", "/agents?limit=0", 400),
    "a status that there is not": ("GET", "/agents?status=happy", 400),
    "a scope that there is not": ("GET", "/agents?scope=world", 400),
    "a level that there is not": ("GET", "/events?level=shout", 400),
    "events after a word": ("GET", "/events?after=x", 400),
    "a tail in words": ("GET", "/agents/nobody/logs?tail=x", 400),
    "a host that is not there": ("GET", "/hosts/atlantis/agents", 404),
    "a host that is a path": ("GET", "/hosts/..%2fx/agents", 400),
    "a forward of a forward": ("GET", "/hosts/beta/hosts/alpha/agents", 400),
    "a double slash": ("GET", "//agents", 404),
}


@pytest.mark.parametrize("what", BAD_PATHS)
def test_a_path_is_refused(api: RawApi, what: str) -> None:
    method, path, status = BAD_PATHS[what]
    answer = api.ask(method, path)
    assert answer.status == status, answer
    assert answer.message


def test_a_message_without_time_is_certainly_not_handled(api: RawApi, talker: PagletProxy) -> None:
    answer = api.ask("POST", f"/agents/{talker.agent_id}/messages", say(budget_ms=0))
    assert (answer.status, answer.code) == (504, "message_expired")


def test_what_is_no_http_is_refused(api: RawApi) -> None:
    assert api.ask("BREW", "/agents").status == 400


def test_without_credentials_nothing_but_the_doorbell_answers(api: RawApi) -> None:
    for path in ("/agents", "/health", "/events", "/hosts", "/openapi.json", "/nothing"):
        answer = api.ask("GET", path, headers={"Authorization": "Bearer wrong"})
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert api.ask("GET", "/livez", headers={"Authorization": ""}).status == 200


def test_a_wrong_envelope_settles_nothing(api: RawApi, mesh: LocalMesh) -> None:
    before = mesh["alpha"].observer.transfers()
    for body in (
        b"",
        b"x",
        b"\x00" * 64,
        b"\xff" * 4096,
        json.dumps({"kind": "dispatch"}).encode(),
    ):
        answer = api.ask(
            "PUT", "/transfers/abc", body, {"Content-Type": "application/octet-stream"}
        )
        assert 400 <= answer.status < 500, answer
    assert mesh["alpha"].observer.transfers() == before


def test_the_paglet_still_answers(talker: PagletProxy, mesh: LocalMesh) -> None:
    assert talker.send(Message("heard")) == []
    log = Path(mesh["alpha"].log).read_text()
    assert "Traceback" not in log, log
