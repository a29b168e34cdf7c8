"""From `Load` to `Loaded`: what is accepted, and what is refused with which words."""

from pathlib import Path

import msgspec
import pytest

from paglets.wire import calls
from tests.unit.child.fakehost import CLASSES, FakeHost


def test_a_loaded_class_tells_its_manifest_and_its_first_state(host: FakeHost):
    loaded = host.load("Durable", initial=b'{"count": 4}', code_version="c7")

    manifest = loaded.manifest
    assert manifest.class_name == f"{CLASSES}:Durable"
    assert (manifest.state_class, manifest.code_version) == (f"{CLASSES}:Notes", "c7")
    assert manifest.durability == "message"
    assert msgspec.msgpack.decode(loaded.snapshot.data)["count"] == 4


def test_a_manifest_has_the_services_with_their_schemas(host: FakeHost):
    (contract,) = host.load("Splitter").manifest.services

    assert (contract.name, contract.version) == ("splitter", "1")
    assert contract.operations[0].request_schema["$ref"] == "#/$defs/Text"


def test_a_manifest_names_the_hooks_the_class_overrides(host: FakeHost):
    assert host.load("Wanderer").manifest.hooks == ("on_arrival",)


def test_a_state_is_restored_and_unknown_fields_are_named(host: FakeHost):
    data = msgspec.msgpack.encode({"texts": ["a"], "count": 2, "gone": 1})

    loaded = host.open("Counter", state=calls.Snapshot(data=data, size=len(data)))

    assert loaded.dropped == ("gone",)
    assert loaded.snapshot is None
    assert host.call("add") == 3


def test_check_only_answers_and_ends(host: FakeHost):
    host.load("BadInit", check_only=True)

    assert host.exit_code() == 0


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("no_such_module:Tour", "class_load", "--agents"),
        (f"{CLASSES}:Missing", "class_load", "has no Missing"),
        (f"{CLASSES}:NOT_A_PAGLET", "class_load", "is no Paglet"),
        ("paglets:Paglet", "class_load", "is no Paglet"),
        ("__main__:Tour", "invalid_name", "module:QualName"),
        (f"{CLASSES}:f.<locals>.Tour", "invalid_name", "module:QualName"),
        (f"{CLASSES}:OddState", "class_load", "thing"),
        (f"{CLASSES}:Required", "state_error", "name"),
        (f"{CLASSES}:Unfulfilled", "class_load", "@provides for its operation 'split'"),
        (f"{CLASSES}:BadInit", "class_load", "not today"),
        (f"{CLASSES}:AsksInInit", "class_load", "do it in on_creation"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_a_remedy(
    host: FakeHost, name: str, code: str, says: str
):
    failure = host.load(name, calls.Failed).failure

    assert failure.code == code
    assert says in failure.message


def test_a_module_that_raises_shows_the_authors_traceback(host: FakeHost, tmp_path: Path):
    (tmp_path / "broken_agent.py").write_text("import not_installed_anywhere\n")

    failure = host.load("broken_agent:Tour", calls.Failed, import_paths=(str(tmp_path),)).failure

    assert "install not_installed_anywhere" in failure.message
    assert "broken_agent.py" in failure.detail["traceback_text"]


def test_a_state_file_that_is_not_what_was_written_is_refused(host: FakeHost, tmp_path: Path):
    path = tmp_path / "s"
    path.write_bytes(b"\x80")
    state = calls.Snapshot(path=str(path), size=1, sha256="00")

    assert host.load("Counter", calls.Failed, state=state).failure.code == "damaged"


@pytest.mark.parametrize(
    "name", ["Tour", "Tour2", "LogSearch", "Crawler", "Bench", "Tokenizer", "Client"]
)
def test_the_samples_load(host: FakeHost, name: str):
    typing = str(Path(__file__).resolve().parents[2] / "typing")

    assert host.load(f"samples:{name}", import_paths=(typing,)).manifest.class_name.endswith(name)


def test_the_sample_tour_answers_by_the_glossarys_way_and_by_the_short_one(host: FakeHost):
    typing = str(Path(__file__).resolve().parents[2] / "typing")
    host.open("samples:Tour", import_paths=(typing,))

    assert host.call("visits") == []
    assert host.fail("fly").failure.code == "not_handled"
