import pytest

from paglets.model.errors import InvalidRequestError
from paglets.supervise.environment import child_environment

HOST = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": "/old",
    "PAGLETS_KEY": "secret",
    "PAGLETS_DATA": "/data",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "MODEL_CACHE": "/models",
}


def test_only_what_is_allowed_is_passed_on() -> None:
    assert child_environment(HOST) == {"PATH": "/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": "/old"}


def test_the_owner_may_list_further_variables() -> None:
    passed = child_environment(HOST, owner_names=["MODEL_CACHE", "NOT_SET"])
    assert passed["MODEL_CACHE"] == "/models"
    assert "NOT_SET" not in passed


def test_what_the_host_adds_wins() -> None:
    assert child_environment(HOST, extra={"PYTHONPATH": "/agents"})["PYTHONPATH"] == "/agents"


@pytest.mark.parametrize("name", ["PAGLETS_KEY", "PAGLETS_KEY_FILE", "PAGLETS_TOKEN"])
def test_the_hosts_secrets_cannot_even_be_listed(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        child_environment(HOST, owner_names=[name])
    with pytest.raises(InvalidRequestError, match=name):
        child_environment(HOST, extra={name: "x"})
