"""Whole meshes on a virtual clock: invariants under random faults, and the figures of the design.

The engine is the product's own; see `paglets.testing.simulation`. 200 seeds at N <= 64 and ten at
N = 1000. A failing seed is a failing run every time.
"""

from random import Random

import pytest

from paglets.mesh.instructions import SelfChange
from paglets.mesh.members import Change, precedence
from paglets.mesh.timing import LAN
from paglets.model.enums import MemberStatus
from paglets.testing.network import Faults, url_of
from paglets.testing.simulation import SimulatedMesh

AGREE_WITHIN = 30.0
"""Seconds after a fault within which all views are equal."""
SUSPECTED_FOR = 45.0
"""Seconds a suspicion that nobody confirms lasts at 64 hosts: the bound where many faults meet."""
IDLE_BITS = 10_000
"""A second and host, once all is told and while those that died are tried again for ever."""


SIZES = (3, 4, 5, 8, 8, 8, 16, 16, 16, 32, 64)
QUIET_AFTER = 60.0
"""Seconds after which the last news is old, even of those who stayed suspects until then."""


def sent_while_idle(mesh, seconds):
    """Return the bits a second that a host sends on average."""
    before = sum(host.bytes_sent for host in mesh.running)
    mesh.run(seconds)
    sent = sum(host.bytes_sent for host in mesh.running) - before
    return sent / len(mesh.running) / seconds * 8


class Watch:
    """Checks what must hold at every moment."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.seen = {}

    def check(self):
        for host in self.mesh.running:
            own = host.table.members[host.identity.host_id]
            assert own.status is MemberStatus.ALIVE, f"{host.name} believes itself {own.status}"
            for member in host.table.members.values():
                key = (id(host), member.host_id)
                life = (member.generation, member.incarnation)
                assert life >= self.seen.get(key, (0, 0)), f"{member.name} went back in time"
                self.seen[key] = life

    def run(self, seconds):
        for _ in range(int(seconds)):
            self.mesh.run(1.0)
            self.check()


def disturb(mesh, faults, random):
    """Do one thing that goes wrong in the field; return what ends it."""
    names = [host.name for host in mesh.running]
    victim = random.choice(names[1:])
    rest = [name for name in names if name != victim]
    match random.randrange(8):
        case 0:
            mesh.kill(victim, refuses=random.random() < 0.5)
        case 1:
            mesh.leave(victim)
        case 2:
            mesh.pause(victim)
            return lambda: mesh.resume(victim)
        case 3:
            mesh.start(victim, seeds=[url_of(names[0])])
        case 4:
            random.shuffle(names)
            cut = random.randrange(1, len(names))
            faults.partition(names[:cut], names[cut:])
        case 5:
            faults.partition([*rest[: len(rest) // 2], victim], [*rest[len(rest) // 2 :], victim])
        case 6:
            for other in rest:
                faults.block(*((victim, other) if random.random() < 0.5 else (other, victim)))
        case 7:
            mesh.start(f"n{random.randrange(10**6)}", seeds=[url_of(names[0]), url_of("nowhere")])
    return lambda: None


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_after_any_faults_all_views_become_equal_and_nothing_impossible_is_seen(batch):
    for seed in range(batch * 10, batch * 10 + 10):
        random = Random(seed)
        faults = Faults(
            seed,
            loss=random.choice([0, 0, 0.05, 0.2]),
            duplicate=random.choice([0, 0.1]),
            delay=random.choice([(0.001, 0.005), (0.001, 0.3)]),
        )
        mesh = SimulatedMesh(random.choice(SIZES), seed=seed, faults=faults)
        watch = Watch(mesh)
        undo = []
        for _ in range(random.randrange(1, 4)):
            undo.append(disturb(mesh, faults, random))
            watch.run(random.choice([2, 5, 20]))
        for action in undo:
            action()
        faults.heal()
        faults.loss = faults.duplicate = 0.0
        assert mesh.run_until(mesh.is_agreed, SUSPECTED_FOR, step=0.5) <= SUSPECTED_FOR
        watch.check()
        mesh.run(QUIET_AFTER)
        watch.check()
        assert sent_while_idle(mesh, 10.0) <= IDLE_BITS


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("hosts", "seconds"), [(3, 7.0), (16, 9.0), (64, 12.0)])
def test_a_killed_host_is_known_dead_by_all_in_time(hosts, seconds, seed):
    mesh = SimulatedMesh(hosts, seed=seed)
    mesh.run(3.0)
    mesh.kill("h1")
    victim = mesh.hosts["h1"]
    assert mesh.run_until(lambda: mesh.believers(victim) == 0, 30.0) <= seconds * 1.2


@pytest.mark.parametrize("hosts", [3, 16, 64])
def test_joins_changes_and_good_byes_are_known_by_all_within_two_seconds(hosts):
    mesh = SimulatedMesh(hosts, seed=hosts)
    mesh.run(3.0)
    new = mesh.start("new", seeds=[url_of("h0")])
    assert mesh.run_until(lambda: mesh.believers(new) == hosts + 1, 5.0) <= 2.0
    mesh.set_record("h1", "service", "tokenizer", b"at h1")
    found = lambda: all(h.table.records.of_kind("service") for h in mesh.running)  # noqa: E731
    assert mesh.run_until(found, 5.0) <= 2.0
    mesh.leave("h2")
    gone = mesh.hosts["h2"]
    assert mesh.run_until(lambda: mesh.believers(gone) <= 1, 5.0) <= 2.0
    mesh.run(3.0)
    assert all(
        h.table.members[gone.identity.host_id].status is MemberStatus.LEFT for h in mesh.running
    )


@pytest.mark.parametrize("hosts", [3, 16, 64])
def test_an_idle_mesh_sends_at_most_four_kilobits_a_second_per_host(hosts):
    mesh = SimulatedMesh(hosts, seed=1)
    mesh.run(60.0)
    assert max(h.bytes_sent for h in mesh.running) / 60.0 * 8 <= 4_400
    assert sum(h.bytes_sent for h in mesh.running) / hosts / 60.0 * 8 <= 4_000


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_no_live_host_is_declared_dead_for_lost_messages(loss):
    mesh = SimulatedMesh(16, seed=5, faults=Faults(5, loss=loss))
    mesh.run(120.0)
    assert not [e for h in mesh.running for _, e in h.events if e.change is Change.DIED]


@pytest.mark.parametrize("split", [10.0, 120.0, 3600.0])
def test_a_split_of_any_length_heals_within_fifteen_seconds(split):
    faults = Faults(2)
    mesh = SimulatedMesh(8, seed=2, faults=faults)
    names = list(mesh.hosts)
    faults.partition(names[:4], names[4:])
    mesh.run(split)
    assert mesh.hosts["h0"].table.live == (4 if split > 60 else mesh.hosts["h0"].table.live)
    faults.heal()
    assert mesh.run_until(mesh.is_agreed, 60.0) <= 15.0


def test_a_host_paused_for_three_seconds_is_not_declared_dead():
    mesh = SimulatedMesh(8, seed=3)
    mesh.run(5.0)
    mesh.pause("h1")
    mesh.run(3.0)
    mesh.resume("h1")
    mesh.run(20.0)
    assert mesh.is_agreed()
    assert not [e for h in mesh.running for _, e in h.events if e.change is Change.DIED]


def test_a_host_paused_for_thirty_seconds_is_dead_and_back_within_three():
    mesh = SimulatedMesh(8, seed=3)
    mesh.run(5.0)
    mesh.pause("h1")
    mesh.run(30.0)
    victim = mesh.hosts["h1"]
    assert mesh.believers(victim) == 1
    mesh.resume("h1")
    assert mesh.run_until(mesh.is_agreed, 30.0) <= 3.0
    assert not [e for _, e in victim.events if e.change is Change.DIED]
    assert SelfChange.PAUSED in [notice.change for notice in victim.notices]


def test_a_mesh_forms_whose_seed_comes_up_last_and_whose_hosts_are_seeds_of_each_other():
    mesh = SimulatedMesh(0, seed=1)
    seeds = [url_of(name) for name in ("h0", "h1", "h2", "h3")]
    for name in ("h3", "h1", "h2"):
        mesh.start(name, seeds=seeds[:1] if name != "h1" else seeds)
        mesh.run(7.0)
    mesh.start("h0")
    assert mesh.run_until(mesh.is_agreed, 30.0) <= 8.0


@pytest.mark.parametrize("seed", range(20))
def test_a_host_recreated_without_its_folder_replaces_the_old_one_even_with_a_slow_clock(seed):
    mesh = SimulatedMesh(5, seed=seed)
    mesh.run(2.0)
    old = mesh.hosts["h1"].identity
    mesh.kill("h1")
    mesh.start("h1", seeds=[url_of("h0")], host_id="fresh", generation=old.generation - 3_600_000)
    mesh.run(2.0)
    for host in mesh.running:
        assert host.table.holder("h1").host_id == "fresh"
        assert not host.table.members[old.host_id].is_live


def test_a_host_whose_folder_was_restored_is_told_by_its_seed():
    mesh = SimulatedMesh(3, seed=1)
    host_id = "a" * 32
    mesh.start("db", seeds=[url_of("h0")], host_id=host_id, generation=100, boots=7)
    mesh.run(2.0)
    mesh.kill("db")
    restored = mesh.start("db", seeds=[url_of("h1")], generation=200, boots=3)
    mesh.run(2.0)
    assert [n.boots for n in restored.notices if n.change is SelfChange.ROLLED_BACK] == [7]
    assert mesh.is_agreed()


def test_two_running_hosts_with_one_id_do_not_upset_the_others():
    mesh = SimulatedMesh(4, seed=1)
    mesh.run(2.0)
    twin = mesh.start("twin", seeds=[url_of("h0")], host_id=mesh.hosts["h1"].identity.host_id)
    mesh.run(30.0)
    assert {host.table.live for host in mesh.running if host.name in {"h0", "h2", "h3"}} == {4}
    assert twin.table.identity.generation < 1_700_000_000_000 + 10**6 + 10


def test_records_survive_loss_and_follow_their_owner_through_a_split():
    faults = Faults(4, loss=0.2)
    mesh = SimulatedMesh(8, seed=4, faults=faults)
    for number in range(20):
        mesh.set_record(f"h{number % 8}", "service", f"s{number}", b"x")
    mesh.run(5.0)
    names = list(mesh.hosts)
    faults.partition(names[:4], names[4:])
    mesh.run(60.0)
    mesh.set_record("h0", "service", "s0", None)
    assert len(mesh.hosts["h0"].table.records.of_kind("service")) < 20
    faults.heal()
    faults.loss = 0.0
    mesh.run_until(mesh.is_agreed, 30.0)
    assert {len(h.table.records.of_kind("service")) for h in mesh.running} == {19}


def test_lazy_records_reach_everybody_without_a_request_of_their_own():
    mesh = SimulatedMesh(16, seed=4)
    mesh.run(5.0)
    sent = sum(h.protocol.statistics.gossip_sent for h in mesh.running)
    mesh.set_record("h3", "counts", "", b"7", lazy=True)
    found = lambda: all(h.table.records.of_kind("counts") for h in mesh.running)  # noqa: E731
    assert mesh.run_until(found, 30.0) <= 15.0
    assert sum(h.protocol.statistics.gossip_sent for h in mesh.running) == sent


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_hosts_notice_a_crash_in_time(seed):
    mesh = SimulatedMesh(1000, seed=seed)
    mesh.run(1.5)
    mesh.kill("h1", refuses=seed % 2 == 0)
    victim = mesh.hosts["h1"]
    assert mesh.run_until(lambda: mesh.believers(victim) == 0, 30.0, step=0.5) <= 17.0 * 1.2
    assert mesh.run_until(mesh.is_agreed, AGREE_WITHIN, step=0.5) <= AGREE_WITHIN
    Watch(mesh).check()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 6))
def test_a_thousand_hosts_hear_of_a_newcomer_in_time(seed):
    mesh = SimulatedMesh(1000, seed=seed)
    mesh.run(0.5)
    new = mesh.start("new", seeds=[url_of("h0")])
    assert mesh.run_until(lambda: mesh.believers(new) == 1001, 10.0) <= 2.5
    mesh.run_until(mesh.is_agreed, AGREE_WITHIN, step=0.5)
    Watch(mesh).check()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 8))
def test_a_thousand_hosts_hear_of_a_good_bye_in_time(seed):
    mesh = SimulatedMesh(1000, seed=seed)
    mesh.run(0.5)
    gone = mesh.hosts["h7"]
    mesh.leave("h7")
    assert mesh.run_until(lambda: mesh.believers(gone) <= 1, 10.0) <= 2.5
    Watch(mesh).check()


@pytest.mark.slow
def test_a_thousand_idle_hosts_send_at_most_ten_kilobits_a_second_each():
    mesh = SimulatedMesh(1000, seed=1)
    mesh.run(10.0)
    assert sum(h.bytes_sent for h in mesh.running) / 1000 / 10.0 * 8 <= 10_000
    assert mesh.is_agreed()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_thousand_hosts_of_which_some_were_cut_off_become_one_mesh_again_in_time():
    faults = Faults(1)
    mesh = SimulatedMesh(1000, seed=1, faults=faults)
    names = list(mesh.hosts)
    faults.partition(names[:995], names[995:])
    mesh.run(16.0)
    faults.heal()
    assert mesh.run_until(mesh.is_agreed, 60.0, step=0.5) <= 30.0
    Watch(mesh).check()


def test_beliefs_are_ordered_by_life_then_incarnation_then_gravity():
    alive, suspect, dead, left = MemberStatus
    order = [
        precedence(1, 5, left),
        precedence(2, 0, alive),
        precedence(2, 0, suspect),
        precedence(2, 0, dead),
        precedence(2, 0, left),
        precedence(2, 1, alive),
    ]
    assert order == sorted(order)
    assert LAN.transmissions_min >= 12
