"""Both at once: what is found twice is one host."""

from tests.docker.conftest import CARRIERS, names_seen


def test_hosts_with_seeds_and_multicast_form_one_mesh(paglets_mesh):
    mesh = paglets_mesh(3, agents=CARRIERS, multicast=True)
    for host in mesh:
        assert names_seen(host) == ["alpha", "beta", "gamma"]
