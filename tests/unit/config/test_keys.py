"""Key files: made once, never by accident, found where the design says."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets.config import keys
from paglets.config.keys import Key, Keyring, client_keyring, host_keyring, new_key, parse_key
from paglets.model.errors import InvalidRequestError


@pytest.fixture
def environ(tmp_path):
    return {"PAGLETS_HOME": str(tmp_path / "home")}


def test_a_key_survives_its_text_form():
    key = new_key()
    assert parse_key(f"  {key.text()}\n") == key
    assert key.text().count("\n") == 0


def test_the_id_is_the_first_8_hex_digits_of_the_sha256_of_the_key():
    assert Key(bytes(32)).id == "66687aad"


def test_64_hex_digits_are_a_key_too():
    assert parse_key("00" * 32) == Key(bytes(32))


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t[:-3] + "AAA", lambda t: t + "A"])
def test_a_damaged_line_is_refused_and_not_repeated(change):
    text = change(new_key().text())
    with pytest.raises(InvalidRequestError) as caught:
        parse_key(text)
    assert text.rpartition(":")[2] not in str(caught.value)


@pytest.mark.parametrize("text", ["", "secret", "paglets-key:", "paglets-key:ab:", "x" * 63])
def test_other_text_is_no_key(text):
    with pytest.raises(InvalidRequestError):
        parse_key(text)


def test_repr_does_not_show_the_key():
    key = new_key()
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_the_bearer_token_is_neither_the_key_nor_its_text():
    key = new_key()
    assert key.bearer_token() != new_key().bearer_token()
    assert key.bearer_token() not in key.text()


def test_a_host_without_a_key_makes_one_that_only_its_user_can_read(tmp_path, environ):
    ring = host_keyring(tmp_path / "data", environ=environ)
    path = tmp_path / "data" / "host.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.read_keyring(path) == ring


def test_a_host_keeps_its_key(tmp_path, environ):
    first = host_keyring(tmp_path / "data", environ=environ)
    assert host_keyring(tmp_path / "data", environ=environ) == first


def test_two_hosts_of_one_user_share_a_key_without_set_up(tmp_path, environ):
    alpha = host_keyring(tmp_path / "alpha", environ=environ)
    assert host_keyring(tmp_path / "beta", environ=environ) == alpha


def test_hosts_that_start_at_once_agree_on_one_key(tmp_path):
    path = tmp_path / "shared.key"
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: keys.write_new_keyring(path, Keyring((new_key(),))), "x" * 8)
        )
    assert len(set(made)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["shared.key"]


def test_a_named_key_file_that_does_not_exist_is_made(tmp_path, environ):
    ring = host_keyring(tmp_path / "data", environ=environ, key_file=tmp_path / "k" / "mesh.key")
    assert keys.read_keyring(tmp_path / "k" / "mesh.key") == ring


def test_the_named_file_comes_before_the_variable(tmp_path, environ):
    keys.write_new_keyring(tmp_path / "mesh.key", Keyring((Key(bytes(32)),)))
    environ |= {"PAGLETS_KEY_FILE": str(tmp_path / "mesh.key"), "PAGLETS_KEY": new_key().text()}
    assert host_keyring(tmp_path / "data", environ=environ).primary == Key(bytes(32))


def test_a_key_in_the_environment_does_not_stay_there(tmp_path, environ):
    key = new_key()
    environ["PAGLETS_KEY"] = key.text()
    assert host_keyring(tmp_path / "data", environ=environ).primary == key
    assert "PAGLETS_KEY" not in environ


def test_a_file_with_two_keys_signs_with_the_first_and_knows_both(tmp_path):
    old, new = new_key(), new_key()
    path = tmp_path / "host.key"
    path.write_text(f"# rotating\n{new.text()}\n\n{old.text()}\n")
    ring = keys.read_keyring(path)
    assert (ring.primary, ring.find(old.id)) == (new, old)


@pytest.mark.parametrize("count", [0, 3])
def test_a_key_file_has_one_or_two_keys(tmp_path, count):
    path = tmp_path / "host.key"
    path.write_text("".join(f"{new_key().text()}\n" for _ in range(count)))
    with pytest.raises(InvalidRequestError, match=r"host\.key"):
        keys.read_keyring(path)


def test_a_client_finds_an_imported_key_by_the_id_the_host_tells(environ):
    key = new_key()
    keys.remember_key(new_key(), environ=environ)
    keys.remember_key(key, environ=environ)
    assert client_keyring(environ=environ, key_id=key.id) == Keyring((key,))


def test_a_client_finds_the_key_of_a_local_host(tmp_path, environ):
    key = new_key()
    keys.write_new_keyring(tmp_path / "home/hosts/alpha/host.key", Keyring((new_key(), key)))
    assert client_keyring(environ=environ, key_id=key.id) == Keyring((key,))


def test_a_damaged_file_does_not_hide_another(tmp_path, environ):
    key = keys.new_key()
    (tmp_path / "home/hosts/a").mkdir(parents=True)
    (tmp_path / "home/hosts/a/host.key").write_text("damaged")
    keys.write_new_keyring(tmp_path / "home/hosts/b/host.key", Keyring((key,)))
    assert client_keyring(environ=environ, key_id=key.id) == Keyring((key,))


@pytest.mark.parametrize("told", ["../../etc", "", "0" * 9, "zzzzzzzz"])
def test_what_a_host_tells_as_its_key_id_never_becomes_a_path(environ, told):
    assert client_keyring(environ=environ, key_id=told) is None


def test_a_client_without_a_key_has_none(environ):
    assert client_keyring(environ=environ, key_id="00000000") is None
    assert client_keyring(environ=environ) is None


def test_an_import_makes_the_first_key_the_default(environ):
    first, second = new_key(), new_key()
    keys.remember_key(first, environ=environ)
    keys.remember_key(second, environ=environ)
    assert client_keyring(environ=environ) == Keyring((first,))
