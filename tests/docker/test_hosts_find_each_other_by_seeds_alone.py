"""Seeds only: two names are enough for three hosts."""

from tests.docker.conftest import names_seen


def test_hosts_find_each_other_by_seeds_alone(three_hosts, tell):
    assert all(not host.settings.multicast for host in three_hosts)
    for host in three_hosts:
        assert names_seen(host) == ["alpha", "beta", "gamma"]
    tell(f"3 hosts by seeds agreed {three_hosts.converged_in:.2f} s after the last was ready")
