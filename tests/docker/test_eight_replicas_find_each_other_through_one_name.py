"""A name that stands for all hosts is the only seed each of them has."""

from tests.docker.conftest import CARRIERS, names_seen


def test_eight_replicas_find_each_other_through_one_name(paglets_mesh, tell):
    mesh = paglets_mesh(8, agents=CARRIERS, seeds=("http://hosts:8765",))
    expected = sorted(host.name for host in mesh)
    for host in mesh:
        assert names_seen(host) == expected
    tell(f"8 hosts by one name agreed {mesh.converged_in:.2f} s after the last was ready")
