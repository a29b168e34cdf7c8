"""What a host says of itself once it answers."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from paglets.config.keys import Key, Keyring
from paglets.config.settings import HostSettings
from paglets.host.announcing import announce, scheme_of, unannounce, warnings_of
from paglets.host.identity import HostIdentity

KEYRING = Keyring((Key(bytes(32)), Key(b"\1" * 32)))
IDENTITY = HostIdentity(
    host_id="id",
    name="alpha",
    url="http://alpha.lab:8765",
    bind="0.0.0.0:8765",
    generation=7,
    boots=3,
    code_version="v1",
    properties={},
)


@pytest.fixture
def settings(tmp_path):
    return HostSettings(name="alpha", data=tmp_path)


def said(settings, keyring=KEYRING):
    lines = []
    announce(settings, IDENTITY, keyring, say=lines.append)
    return lines


def facts(settings):
    return json.loads((settings.data / "host.json").read_text())


def test_the_banner_tells_name_both_addresses_key_code_and_data(settings):
    text = "\n".join(said(settings))
    for fact in ("alpha", "0.0.0.0:8765", "http://alpha.lab:8765", "v1", str(settings.data)):
        assert fact in text
    assert KEYRING.primary.id in text


def test_no_key_is_told_whole(settings):
    said(settings)
    told = "\n".join(said(settings)) + json.dumps(facts(settings))
    for key in KEYRING.keys:
        assert key.text() not in told
        assert key.secret.hex() not in told


def test_what_may_run_is_told_also_where_it_is_nothing_of_the_owners(settings):
    assert "  allowed: built-in classes only" in said(settings)
    lines = said(replace(settings, allow=("tour", "crew")))
    (allowed,) = [line for line in lines if line.startswith("  allowed:")]
    assert "tour" in allowed
    assert "crew" in allowed


def test_folders_of_code_are_told_where_there_are_some(settings, tmp_path_factory):
    assert not any("agents from" in line for line in said(settings))
    folders = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    lines = said(replace(settings, agents=folders))
    assert f"  agents from {folders[0]}, {folders[1]}" in lines


def test_a_host_without_a_key_warns_each_time_it_starts(settings):
    assert warnings_of(settings) == []
    insecure = replace(settings, insecure=True)
    assert [warning.split(":")[0] for warning in warnings_of(insecure)] == ["--insecure"]
    lines = said(insecure, keyring=None)
    assert any(line.startswith("  WARNING --insecure") for line in lines)
    assert any("key none (--insecure)" in line for line in lines)


@pytest.mark.parametrize(("keyring", "key_id"), [(KEYRING, KEYRING.primary.id), (None, None)])
def test_clients_of_this_machine_find_it_by_a_file(settings, keyring, key_id):
    said(settings, keyring)
    found = facts(settings)
    assert found.pop("started_at") > 0
    assert found == {
        "pid": os.getpid(),
        "url": "http://alpha.lab:8765",
        "local_url": "http://127.0.0.1:8765",
        "name": "alpha",
        "key_id": key_id,
    }


def test_the_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(settings):
    (settings.data / "host.json").write_text("{half")
    said(settings)
    assert facts(settings)["name"] == "alpha"
    assert [path.name for path in settings.data.iterdir()] == ["host.json"]


def test_the_file_goes_with_the_host_and_may_be_gone_already(settings):
    said(settings)
    unannounce(settings)
    unannounce(settings)
    assert list(settings.data.iterdir()) == []


def test_a_host_with_a_certificate_is_found_over_tls(settings):
    assert scheme_of(settings) == "http"
    with_tls = replace(settings, tls_cert=Path("cert.pem"), tls_key=Path("key.pem"))
    said(with_tls)
    assert facts(with_tls)["local_url"] == "https://127.0.0.1:8765"
