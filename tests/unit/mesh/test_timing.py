import pytest

from paglets.mesh import timing
from paglets.mesh.timing import LAN, LOCAL, WAN, MeshTiming, Preset


@pytest.mark.parametrize(
    ("hosts", "times"), [(1, 12), (9, 12), (999, 12), (1000, 16), (9_999, 16), (10_000, 20)]
)
def test_news_is_passed_on_at_least_twelve_times_and_more_in_large_meshes(hosts, times):
    assert timing.transmissions(LAN, hosts) == times


@pytest.mark.parametrize(
    ("hosts", "seconds"), [(1, 4.0), (3, 4.0), (10, 4.0), (100, 8.0), (1000, 12.0)]
)
def test_the_shortest_suspicion_grows_with_the_logarithm_of_hosts(hosts, seconds):
    assert timing.suspicion_min(LAN, hosts) == pytest.approx(seconds)
    assert timing.suspicion_max(LAN, hosts) == pytest.approx(6 * seconds)


@pytest.mark.parametrize(("hosts", "needed"), [(1, 0), (2, 0), (3, 0), (4, 2), (1000, 2)])
def test_confirmations_are_awaited_only_where_enough_others_can_give_them(hosts, needed):
    assert timing.confirmations_needed(LAN, hosts) == needed


@pytest.mark.parametrize(
    ("confirmed", "needed", "seconds"),
    [(0, 3, 30.0), (1, 3, 16.0), (2, 3, 7.81), (3, 3, 2.0), (4, 3, 2.0), (0, 0, 2.0), (5, 0, 2.0)],
)
def test_each_confirmation_shortens_a_suspicion_the_first_one_most(confirmed, needed, seconds):
    found = timing.suspicion_timeout(confirmed, needed, 2.0, 30.0)
    assert found == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    ("hosts", "factor"), [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (128, 3), (1000, 6)]
)
def test_whole_table_work_is_stretched_beyond_32_hosts(hosts, factor):
    assert timing.stretch(hosts) == factor


@pytest.mark.parametrize(("score", "seconds"), [(0, 1.0), (1, 2.0), (7, 8.0)])
def test_our_own_bad_health_lengthens_our_probes(score, seconds):
    assert timing.scaled(1.0, score) == seconds


@pytest.mark.parametrize(("hosts", "seconds"), [(1, 10.0), (16, 10.0), (32, 20.0), (160, 100.0)])
def test_lazy_records_are_spaced_out_with_hosts_so_that_load_stays_constant(hosts, seconds):
    assert timing.lazy_spacing(LAN, hosts) == seconds


@pytest.mark.parametrize(("hosts", "times"), [(1, 3), (16, 7), (1000, 12)])
def test_lazy_records_are_passed_on_about_log2_times(hosts, times):
    assert timing.lazy_transmissions(hosts) == times


@pytest.mark.parametrize("name", list(Preset))
def test_every_preset_keeps_the_order_that_the_protocol_needs(name):
    knobs = timing.preset(name)
    assert 0 < knobs.gossip_interval < knobs.probe_timeout < knobs.probe_interval
    assert knobs.push_pull_gap < knobs.push_pull_interval
    assert knobs.callback_timeout < knobs.push_pull_timeout
    assert knobs.transmissions_min >= 12


def test_presets_are_named_local_lan_and_wan():
    found = [timing.preset(Preset(text)) for text in ("local", "lan", "wan")]
    assert found == [LOCAL, LAN, WAN]
    assert MeshTiming() == LAN


@pytest.mark.parametrize("name", list(Preset))
def test_every_preset_may_be_used_as_it_is(name):
    assert timing.adjusted(timing.preset(name), {}) == timing.preset(name)


def test_some_knobs_are_set_over_a_preset():
    adjusted = timing.adjusted(WAN, {"probe_interval": 10.0, "gossip_fanout": 9})
    assert (adjusted.probe_interval, adjusted.gossip_fanout) == (10.0, 9)
    assert adjusted.probe_timeout == WAN.probe_timeout


@pytest.mark.parametrize(
    ("knobs", "blamed", "why"),
    [
        ({"probe_timeout": 1.0}, "probe_timeout", "below probe_interval 1"),
        ({"probe_interval": 0.5}, "probe_interval", "probe_timeout 0.5 must be below"),
        ({"probe_interval": 5.0, "probe_timeout": 6.0}, "probe_timeout", "helpers"),
        ({"push_pull_gap": 30.0}, "push_pull_gap", "after the gap"),
        ({"push_pull_timeout": 1.5}, "push_pull_timeout", "after the callback"),
        ({"callback_timeout": 5.0}, "callback_timeout", "after the callback"),
        ({"left_keep": 30.0}, "left_keep", "late rumour"),
        ({"piggyback_bytes": 1023}, "piggyback_bytes", "1024 or more"),
    ],
)
def test_knobs_that_do_not_go_together_are_refused_and_the_one_that_was_set_is_blamed(
    knobs, blamed, why
):
    with pytest.raises(timing.TimingError, match=why) as caught:
        timing.adjusted(LAN, knobs)
    assert caught.value.knob == blamed


def test_the_least_piggyback_is_enough():
    assert timing.adjusted(LAN, {"piggyback_bytes": 1024}).piggyback_bytes == 1024
