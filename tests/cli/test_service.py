"""`paglets service …`."""

from tests.cli.conftest import parsed


def test_list_shows_who_provides_what(run, mesh):
    mesh.add_service(mesh.beta, "tok")
    lines = run("service", "list").stdout.splitlines()
    assert lines[1].split() == ["tokenizer", "1", "beta", "tok", "echo", "-"]
    assert parsed(run("service", "list", "other", "--json")) == []


def test_call_sends_the_request_to_a_provider_and_prints_the_reply(run, mesh):
    mesh.add_service(mesh.beta, "tok")
    assert parsed(run("service", "call", "tokenizer", "echo", "text=a b")) == {"text": "a b"}


def test_call_of_an_operation_nobody_has_names_those_there_are(run, mesh):
    mesh.add_service(mesh.beta, "tok", operations=("count", "echo"))
    result = run("service", "call", "tokenizer", "ecko")
    assert result.exit_code == 1
    assert "operations there are: count, echo" in result.stderr


def test_call_of_an_unknown_service_fails_with_the_next_step(run):
    result = run("service", "call", "nothing", "echo")
    assert result.exit_code == 1
    assert "`paglets service list`" in result.stderr


def test_call_can_be_narrowed_to_a_host(run, mesh):
    mesh.add_service(mesh.alpha, "here")
    mesh.add_service(mesh.beta, "there")
    run("service", "call", "tokenizer", "echo", "--host", "beta")
    assert (len(mesh.alpha.attempts), len(mesh.beta.attempts)) == (0, 1)
