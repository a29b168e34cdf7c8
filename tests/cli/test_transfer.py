"""`paglets transfer …`."""

from tests.cli.conftest import parsed


def test_list_says_which_host_remembers_what(run, mesh):
    mesh.add_transfer(mesh.alpha, "t1", "source", in_doubt=True)
    mesh.add_transfer(mesh.beta, "t2", "target")
    seen = parsed(run("transfer", "list", "--json"))
    found = {(row["host"], row["transfer"]["transfer_id"]) for row in seen}
    assert found == {("alpha", "t1"), ("beta", "t2")}
    assert "in doubt" in run("transfer", "list").stdout


def test_list_narrows_to_those_in_doubt_to_a_role_and_to_a_host(run, mesh):
    mesh.add_transfer(mesh.alpha, "t1", "source", in_doubt=True)
    mesh.add_transfer(mesh.beta, "t2", "target")
    for narrowed in (["--in-doubt"], ["--role", "source"], ["--host", "alpha"]):
        (row,) = parsed(run("transfer", "list", "--json", *narrowed))
        assert row["transfer"]["transfer_id"] == "t1"


def test_resolve_settles_at_the_source_by_a_prefix(run, mesh):
    mesh.add_transfer(mesh.beta, "t1abc", "source", in_doubt=True)
    mesh.add_transfer(mesh.alpha, "t1abc", "target")
    result = run("transfer", "resolve", "t1", "--resume", "--yes")
    assert result.exit_code == 0
    assert result.stderr == "transfer t1abc is settled: refused\n"
    assert mesh.beta.transfers[0].outcome == "refused"
    assert mesh.alpha.transfers[0].outcome == "undecided"


def test_resolve_asks_first_and_does_nothing_without_a_yes(run, mesh):
    mesh.add_transfer(mesh.alpha, "t1", "source", in_doubt=True)
    result = run("transfer", "resolve", "t1", "--drop", input="n\n")
    assert result.exit_code == 1
    assert "drop paglet a1 on alpha?" in result.stderr
    assert mesh.alpha.transfers[0].in_doubt


def test_resolve_needs_to_be_told_how(run, mesh):
    mesh.add_transfer(mesh.alpha, "t1", "source", in_doubt=True)
    assert run("transfer", "resolve", "t1").exit_code == 2


def test_resolve_of_an_unknown_transfer_fails(run):
    result = run("transfer", "resolve", "t1", "--drop", "--yes")
    assert result.exit_code == 1
    assert "no host remembers" in result.stderr
