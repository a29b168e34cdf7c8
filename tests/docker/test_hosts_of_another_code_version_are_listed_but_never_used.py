"""Two hosts of one code and one of another: it is seen, and no paglet goes there."""

import pytest

from paglets.model.errors import PagletsError
from paglets.testing import wait_until
from tests.docker.conftest import CARRIERS


def test_hosts_of_another_code_version_are_listed_but_never_used(paglets_mesh):
    mesh = paglets_mesh(2, agents=CARRIERS)
    mesh.restart("beta", mesh_version="another-code")

    def listed() -> dict[str, str]:
        return {ref.name: ref.error or "" for ref in mesh.client().hosts(online_only=False)}

    wait_until(
        lambda: "another-code" in listed().get("beta", ""),
        timeout=20,
        what="beta is listed with its code",
        story=lambda: str(listed()),
    )
    porter = mesh.client().create("porter:Porter")
    with pytest.raises(PagletsError) as raised:
        porter.dispatch("beta")
    assert "another-code" in str(raised.value)
    assert mesh["alpha"].statuses()[porter.agent_id] == "active"
    assert porter.agent_id not in mesh["beta"].statuses()
