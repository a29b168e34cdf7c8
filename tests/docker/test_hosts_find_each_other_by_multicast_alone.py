"""Multicast only: nobody is told any address, and a host that comes back is found again."""

from tests.docker.conftest import CARRIERS, names_seen


def test_hosts_find_each_other_by_multicast_alone(paglets_mesh, tell):
    mesh = paglets_mesh(3, agents=CARRIERS, seeds=(), multicast=True)
    for host in mesh:
        assert names_seen(host) == ["alpha", "beta", "gamma"]
    tell(f"3 hosts by multicast agreed {mesh.converged_in:.2f} s after the last was ready")
    mesh.kill("gamma")
    mesh.wait_converged()
    mesh["gamma"].start()
    mesh.wait_converged()
