"""docker/engine.sh where an engine answers: it says what it will do, and does no more."""

from tests.docker.shell import Shell


def test_make_engine_leaves_an_engine_that_answers_alone(paglets_engine, tmp_path):
    shell = Shell({"HOME": str(tmp_path)})
    first = shell.outcome("docker/engine.sh").stderr
    assert "an engine answers: nothing is installed or started" in first
    # Where the machine has no plugins for all they are linked for this user, and that is said.
    linked = {path.name for path in tmp_path.glob(".docker/cli-plugins/*")}
    said = {name for name in ("compose", "buildx") if f"will link: the {name} plugin" in first}
    assert linked == {f"docker-{name}" for name in said}

    again = shell.outcome("docker/engine.sh")
    assert again.returncode == 0
    assert "will" not in again.stderr
    assert paglets_engine.version()["Version"] in again.stderr
