"""Settings: where things lie, and defaults that suit one machine."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from paglets.config.settings import HostSettings, Limits, Timeouts, paglets_home


def test_home_is_in_the_users_folder_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("PAGLETS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paglets_home() == tmp_path / ".paglets"
    monkeypatch.setenv("PAGLETS_HOME", "/srv/paglets")
    assert paglets_home() == Path("/srv/paglets")
    monkeypatch.setenv("PAGLETS_HOME", "~/mesh")
    assert paglets_home() == tmp_path / "mesh"
    monkeypatch.setenv("PAGLETS_HOME", "")
    assert paglets_home() == tmp_path / ".paglets"


def test_a_host_listens_to_this_machine_alone_unless_told(tmp_path):
    settings = HostSettings(name="alpha", data=tmp_path)
    assert (settings.bind, settings.port) == ("127.0.0.1", 8765)
    assert not settings.insecure
    assert not settings.multicast
    assert settings.allow == settings.agents == settings.seeds == ()
    assert (settings.multicast_group, settings.multicast_port) == ("239.42.74.53", 48765)


def test_settings_do_not_change_while_a_host_runs(tmp_path):
    with pytest.raises(FrozenInstanceError):
        HostSettings(name="alpha", data=tmp_path).port = 1


def test_every_bound_and_every_time_is_above_zero():
    for values in (Limits(), Timeouts()):
        assert all(getattr(values, field.name) > 0 for field in fields(values))


def test_the_figures_of_the_contract_are_the_defaults():
    timeouts, limits = Timeouts(), Limits()
    assert (timeouts.hook, timeouts.quiesce, timeouts.shutdown) == (30.0, 10.0, 3.0)
    assert timeouts.not_after == 300.0
    assert limits.state_bytes == 64 * 1024 * 1024
    assert limits.arriving_transfers == 32
