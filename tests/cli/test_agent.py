"""`paglets agent …` against the real API over pretended paglets: output and exit code."""

import json

import pytest

from paglets.model.errors import MailboxFullError, UnavailableError
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from tests.cli.conftest import parsed

ID = "3f2a" + "0" * 28


def test_create_prints_the_id_alone_on_stdout(run, mesh):
    result = run("agent", "create", "tour:Tour", "--id", "joe")
    assert (result.stdout, result.exit_code) == ("joe\n", 0)
    assert result.stderr == "created tour:Tour on alpha\n"


def test_create_reads_values_as_json_where_they_are_and_else_as_text(run, mesh):
    run("agent", "create", "tour:Tour", "n=5", "name=joe", 'quoted="5"', "list=[1,2]", "eq=a=b")
    state = json.loads(mesh.alpha.calls[0][2])
    assert state == {"n": 5, "name": "joe", "quoted": "5", "list": [1, 2], "eq": "a=b"}


def test_create_takes_a_whole_state_and_always_sends_an_idempotency_key(run, mesh):
    run("agent", "create", "tour:Tour", "--state", '{"n": 1}')
    _, _, state, key = mesh.alpha.calls[0]
    assert (state, len(key)) == (b'{"n":1}', 32)


def test_create_works_on_a_host_that_is_reached_through_the_entry(run, mesh):
    run("agent", "create", "tour:Tour", "--id", "joe", "--host", "beta")
    assert "joe" in mesh.beta.rows


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["n"], "is no key=value"),
        (["n=1", "n=2"], "is given twice"),
        (["--state", "[1]"], "takes a JSON object"),
        (["--state", "{"], "is no JSON"),
        (["n=1", "--state", "{}"], "not both"),
    ],
)
def test_create_refuses_values_of_another_shape_as_wrong_usage(run, args, message):
    result = run("agent", "create", "tour:Tour", *args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_class_that_is_not_allowed_fails_in_one_line_with_a_hint(run):
    result = run("agent", "create", "other:Class")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "--agents DIR or --allow PREFIX" in result.stderr


def test_list_shows_the_whole_mesh_in_plain_aligned_columns(run, mesh):
    mesh.alpha.put(ID)
    mesh.beta.put("indexer", status="inactive")
    lines = run("agent", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "CLASS", "STATUS", "HOST", "QUEUED", "NOTE"]
    assert lines[1].split() == ["3f2a0000", "tour:Tour", "active", "alpha", "0", "-"]
    assert lines[2].split() == ["indexer", "tour:Tour", "inactive", "beta", "0", "-"]


def test_list_narrows_to_a_host_a_status_and_a_class(run, mesh):
    mesh.alpha.put("a1")
    mesh.beta.put("b1")
    mesh.beta.put("b2", status="inactive")
    listed = parsed(run("agent", "list", "--host", "beta", "--status", "inactive", "--json"))
    assert [row["agent_id"] for row in listed] == ["b2"]
    assert parsed(run("agent", "list", "--class", "x:Y", "--json")) == []


def test_list_hides_tombstones_unless_all_is_asked_for(run, mesh):
    mesh.alpha.put("a1", status="moved", peer=PeerAddress("id-beta", "beta", ""))
    mesh.beta.put("a1", epoch=Epoch(0, 1))
    assert [row["host_name"] for row in parsed(run("agent", "list", "--json"))] == ["beta"]
    every = parsed(run("agent", "list", "--all", "--json"))
    assert [row["host_name"] for row in every] == ["alpha", "beta"]


def test_list_pages_without_showing_it(run, mesh):
    mesh.page = 3
    for number in range(10):
        mesh.alpha.put(f"a{number}")
        mesh.beta.put(f"b{number}")
    assert len(parsed(run("agent", "list", "--json"))) == 20


def test_json_has_all_fields_also_those_with_their_default(run, mesh):
    mesh.alpha.put("a1")
    (row,) = parsed(run("agent", "list", "--json"))
    assert row["queued"] == 0
    assert row["error"] is None


def test_a_paglet_is_found_by_a_unique_prefix_wherever_it_is(run, mesh):
    mesh.beta.put(ID)
    result = run("agent", "show", "3f")
    assert result.exit_code == 0
    assert f"id          {ID}" in result.stdout
    assert "host        beta" in result.stdout


def test_a_whole_id_is_taken_even_where_longer_ones_start_with_it(run, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.put("joey")
    assert parsed(run("agent", "show", "joe", "--json"))["agent_id"] == "joe"


def test_a_prefix_of_several_is_refused_and_names_them(run, mesh):
    mesh.alpha.put("joan")
    mesh.beta.put("joey")
    result = run("agent", "show", "jo")
    assert result.exit_code == 1
    assert "2 paglets start with 'jo': joan, joey" in result.stderr


def test_an_unknown_id_fails_with_the_next_step(run):
    result = run("agent", "show", "nobody")
    assert result.exit_code == 1
    assert "no paglet's id starts with 'nobody' (`paglets agent list` shows" in result.stderr


@pytest.mark.parametrize("text", ["../etc", "a b", "", "%2e"])
def test_an_id_that_is_none_is_refused_before_anything_is_asked(run, mesh, text):
    assert run("agent", "show", text).exit_code == 1


def test_state_prints_json(run, mesh):
    mesh.beta.put("joe")
    mesh.beta.states["joe"] = b'{"n":5}'
    assert parsed(run("agent", "state", "joe")) == {"n": 5}


def test_send_prints_the_reply_as_json_and_text_as_it_is(run, mesh):
    mesh.beta.put("joe")
    assert parsed(run("agent", "send", "joe", "echo", "n=5", "who=me")) == {"n": 5, "who": "me"}
    assert parsed(run("agent", "send", "joe", "echo", "--args", '{"x": [1]}')) == {"x": [1]}
    assert run("agent", "send", "joe", "text").stdout == "plain text\n"


def test_send_prints_nothing_for_no_reply(run, mesh):
    mesh.alpha.put("joe")
    result = run("agent", "send", "joe", "nothing")
    assert (result.stdout, result.exit_code) == ("", 0)


def test_what_a_handler_raised_is_one_line_and_exit_code_1(run, mesh):
    mesh.alpha.put("joe")
    result = run("agent", "send", "joe", "fail")
    assert result.exit_code == 1
    assert result.stderr == "Error: ValueError: no such thing\n"


def test_errors_are_json_too_where_json_is_asked_for(run, mesh):
    mesh.alpha.put("joe")
    result = run("agent", "send", "joe", "fail", "--json")
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["detail"]["exception_type"]) == ("handler_error", "ValueError")


def test_a_full_mailbox_is_tried_again_within_the_timeout(run, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [MailboxFullError("full", retry_after=0.01)]
    result = run("agent", "send", "joe", "echo", "--timeout", "5")
    assert result.exit_code == 0
    assert len(mesh.alpha.attempts) == 2


def test_retry_for_repeats_one_id_and_counts_its_attempts(run, mesh):
    mesh.alpha.put("joe")
    mesh.alpha.failures = [UnavailableError("starting", retry_after=0.01)]
    result = run("agent", "send", "joe", "echo", "n=1", "--retry-for", "20")
    assert parsed(result) == {"n": 1}
    (first, one), (second, two) = mesh.alpha.attempts
    assert (first, one, two) == (second, 1, 2)


def test_dispatch_moves_and_says_where_the_paglet_is(run, mesh):
    mesh.alpha.put("joe")
    result = run("agent", "dispatch", "joe", "beta")
    assert (result.stdout, result.stderr) == ("", "joe is on beta\n")
    assert "joe" in mesh.beta.rows


def test_dispatch_of_a_sleeping_paglet_can_leave_it_asleep(run, mesh):
    mesh.alpha.put("joe")
    run("agent", "dispatch", "joe", "beta", "--asleep")
    assert mesh.alpha.calls[0][3].value == "inactive"


def test_dispatch_works_on_a_paglet_of_another_host(run, mesh):
    mesh.beta.put("joe")
    assert parsed(run("agent", "dispatch", "joe", "alpha", "--json"))["host_name"] == "alpha"


def test_clone_prints_the_id_of_the_clone(run, mesh):
    mesh.alpha.put("joe")
    assert run("agent", "clone", "joe", "beta", "--id", "jim").stdout == "jim\n"
    assert "jim" in mesh.beta.rows
    assert len(run("agent", "clone", "joe").stdout.strip()) == 32


def test_retract_brings_a_paglet_to_the_host_that_is_asked_or_to_another(run, mesh):
    mesh.beta.put("joe")
    assert run("agent", "retract", "joe").stderr == "joe is on alpha\n"
    assert run("agent", "retract", "joe", "--host", "beta").stderr == "joe is on beta\n"


def test_deactivate_passes_its_policy_on(run, mesh):
    mesh.alpha.put("joe")
    result = run("agent", "deactivate", "joe", "--after", "60", "--no-wake")
    assert result.stderr == "joe sleeps on alpha\n"
    policy = mesh.alpha.calls[0][2]
    assert policy.activate_at is not None
    assert policy.activate_on_message is False


def test_activate_wakes(run, mesh):
    mesh.alpha.put("joe", status="inactive")
    assert run("agent", "activate", "joe").stderr == "joe runs on alpha\n"


def test_dispose_ends_a_paglet_by_force_where_asked(run, mesh):
    mesh.alpha.put("joe")
    assert run("agent", "dispose", "joe", "--force").exit_code == 0
    assert mesh.alpha.calls == [("dispose", "joe", True)]


def test_logs_prints_what_the_paglet_printed_last(run, mesh):
    mesh.beta.put("joe")
    assert run("agent", "logs", "joe", "--tail", "1").stdout == "two\n"


def test_logs_that_are_followed_go_on_where_they_were_also_with_equal_lines():
    from paglets.cli.agent import new_lines
    from paglets.wire.bodies import LogBody

    seen = LogBody(agent_id="a", lines=("tick", "tick"), start=0)
    now = LogBody(agent_id="a", lines=("tick", "tick", "tock"), start=1)
    assert new_lines(seen, now) == ("tick", "tock")
    assert new_lines(now, now) == ()
    far = LogBody(agent_id="a", lines=("x",), start=90)
    assert new_lines(seen, far) == ("x",)
