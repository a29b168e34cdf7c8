"""`paglets service …`."""

import pytest

from paglets.cli.service import require_result
from paglets.model.enums import ServiceScope
from paglets.model.errors import InvalidRequestError, PagletsError, ServiceReplyError
from paglets.wire.bodies import ReplyBody
from tests.cli.conftest import parsed


def test_list_shows_who_provides_what(run, mesh):
    mesh.add_service(
        mesh.beta, "tok", capabilities=("gpu",), metadata={"lang": "en"}, scope=ServiceScope.LOCAL
    )
    mesh.add_service(mesh.alpha, "other")
    lines = [line.split() for line in run("service", "list").stdout.splitlines()]
    assert lines[0] == (
        ["NAME", "VERSION", "HOST", "PROVIDER", "OPERATIONS", "CAPABILITIES", "METADATA", "SCOPE"]
    )
    assert sorted(lines[1:]) == [
        ["tokenizer", "1", "alpha", "other", "echo", "-", "-", "mesh"],
        ["tokenizer", "1", "beta", "tok", "echo", "gpu", "lang=en", "local"],
    ]


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ((), ["alpha", "beta"]),
        (("--name", "tokenizer"), ["alpha", "beta"]),
        (("--name", "other"), []),
        (("--host", "beta"), ["beta"]),
        (("--name", "tokenizer", "--host", "gamma"), []),
    ],
)
def test_list_is_narrowed_by_name_and_host(run, mesh, options, hosts):
    mesh.add_service(mesh.alpha, "here")
    mesh.add_service(mesh.beta, "there")
    listed = parsed(run("service", "list", *options, "--json"))
    assert [record["host_name"] for record in listed] == hosts


@pytest.mark.parametrize("scope", ["local", "mesh"])
def test_list_takes_a_scope(run, mesh, scope):
    mesh.add_service(mesh.alpha, "here")
    assert len(parsed(run("service", "list", "--scope", scope, "--json"))) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (ReplyBody(moved=True), "moved to another host instead of answering"),
        (ReplyBody(stored=True), "nobody will hear the reply"),
    ],
)
def test_a_call_that_was_not_answered_is_an_error(reply, says):
    with pytest.raises(PagletsError, match=f"tok on beta .*{says}"):
        require_result(reply, "tok on beta")


def test_a_scope_that_is_none_is_a_usage_error(run):
    assert run("service", "list", "--scope", "world").exit_code == 2


def test_show_tells_in_words_what_operations_take_and_reply(run, mesh):
    mesh.add_service(mesh.beta, "tok", operations=("count", "echo"))
    assert run("service", "show", "tokenizer").stdout.splitlines() == [
        "tokenizer version 1",
        "  count  Text -> Text",
        "  echo  Text -> Text",
        "Text:",
        "  text: string",
        "  limit: integer = 9",
    ]


def test_show_gives_the_schemas_as_json_of_all_or_one_operation(run, mesh):
    mesh.add_service(mesh.beta, "tok", operations=("count", "echo"))
    contract = parsed(run("service", "show", "tokenizer", "--json"))
    assert [operation["name"] for operation in contract["operations"]] == ["count", "echo"]
    (echo,) = parsed(run("service", "show", "tokenizer", "echo", "--json"))["operations"]
    assert echo["request"]["$defs"]["Text"]["required"] == ["text"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nothing",), "`paglets service list`"),
        (("tokenizer", "ecko"), "operations there are: echo"),
        (("tokenizer", "--version", "7"), "versions there are: 1"),
        (("tokenizer", "--host", "alpha"), "hosts that do: beta"),
    ],
)
@pytest.mark.parametrize("command", ["show", "call"])
def test_what_nobody_provides_fails_in_one_line_that_says_what_there_is(
    run, mesh, command, arguments, reason
):
    mesh.add_service(mesh.beta, "tok")
    if command == "call" and len(arguments) != 2:
        arguments = (arguments[0], "echo", *arguments[1:])
    result = run("service", command, *arguments)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_call_sends_the_request_to_a_provider_and_prints_the_reply_as_json(run, mesh):
    mesh.add_service(mesh.beta, "tok")
    assert parsed(run("service", "call", "tokenizer", "echo", "text=a b")) == {"text": "a b"}
    whole = '{"text": "a", "limit": 2}'
    assert parsed(run("service", "call", "tokenizer", "echo", "--args", whole)) == {
        "text": "a",
        "limit": 2,
    }


def test_call_reads_values_by_the_schema_of_the_operation(run, mesh):
    mesh.add_service(mesh.beta, "tok")
    typed = ("service", "call", "tokenizer", "echo", "text=5", "limit=5")
    assert parsed(run(*typed)) == {"text": "5", "limit": 5}
    result = run("service", "call", "tokenizer", "echo", "txet=5")
    assert result.exit_code == 2
    assert "The operation takes text, limit, not txet" in result.stderr


def test_call_can_be_narrowed_to_a_host_and_a_version(run, mesh):
    mesh.add_service(mesh.alpha, "here")
    mesh.add_service(mesh.beta, "there")
    mesh.add_service(mesh.beta, "newer", version="2")
    run("service", "call", "tokenizer", "echo", "text=a", "--host", "beta", "--version", "1")
    assert (len(mesh.alpha.attempts), len(mesh.beta.attempts)) == (0, 1)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError(
            "the request of operation echo does not fit: field text: it is missing"
        ),
        ServiceReplyError("Tok.echo broke the contract of operation echo with its reply"),
    ],
)
def test_what_a_provider_refuses_is_one_line_with_exit_code_1(run, mesh, error):
    mesh.add_service(mesh.beta, "tok")
    mesh.beta.failures.append(error)
    result = run("service", "call", "tokenizer", "echo", "limit=1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {error.message}")
    assert len(result.stderr.splitlines()) == 1
