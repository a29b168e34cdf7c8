"""`preload` imports the owner's modules once for all processes."""

from pathlib import Path

import pytest

from paglets import Message
from paglets.testing.localmesh import LocalMesh

AGENTS = Path(__file__).parents[1] / "agents" / "preload"


@pytest.mark.slow
@pytest.mark.parametrize("preload", [(), ("preloaded",)])
def test_a_module_of_an_agents_folder_is_imported_once_where_it_is_preloaded(preload):
    with LocalMesh(1, agents=AGENTS, preload=preload) as mesh:
        proxy = mesh.client().create("preloaded:Preloaded")
        assert proxy.send(Message("was_preloaded"), bool) is bool(preload)
        # Its classes too are examined there: for all processes, not once in each.
        is_own = proxy.info().pid in proxy.send(Message("examined_by"), list[int])
        assert is_own is not bool(preload)
