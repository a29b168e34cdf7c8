"""From `Load` to `Loaded`: what is accepted, and what is refused with which words."""

import hashlib
import importlib
import sys
from pathlib import Path

import msgspec
import pytest

from paglets import Paglet
from paglets.agent import introspection
from paglets.agent.contracts import ServiceOperation
from paglets.child import events
from paglets.child.loader import learn
from paglets.child.warming import examine, warm
from paglets.wire import calls
from tests.unit.child.fakehost import CLASSES, FakeHost


def test_a_loaded_class_tells_its_manifest_and_its_first_state(host: FakeHost):
    loaded = host.load("Durable", initial=b'{"count": 4}', code_version="c7")

    manifest = loaded.manifest
    assert manifest.class_name == f"{CLASSES}:Durable"
    assert (manifest.state_class, manifest.code_version) == (f"{CLASSES}:Notes", "c7")
    assert manifest.durability == "message"
    assert msgspec.msgpack.decode(loaded.snapshot.data)["count"] == 4


def test_a_preloaded_module_is_examined_and_what_is_unfit_is_left_to_who_loads_it():
    module = importlib.import_module(CLASSES)
    examine(CLASSES)
    assert module.Durable in introspection._manifests
    assert module.OddState not in introspection._manifests, "its State is no State"
    assert Paglet not in introspection._manifests, "it is of another module"


def test_what_a_spare_learns_is_imported_and_what_is_wrong_is_left_to_who_loads_it(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("sys.path", [*sys.path])
    paglet = "from paglets import Paglet\nclass Learned(Paglet[None]): ...\n"
    (tmp_path / "to_be_learned.py").write_text(paglet)
    (tmp_path / "to_fail.py").write_text("raise RuntimeError('on purpose')\n")
    for name in ("to_be_learned:Learned", "to_fail:Learned", "to_be_learned:Other", "no name"):
        learn(name, (str(tmp_path),))
    assert "to_be_learned" in sys.modules
    assert "to_fail" not in sys.modules


def test_types_that_a_preloaded_module_reads_from_json_are_described_with_it(tmp_path, monkeypatch):
    (tmp_path / "described.py").write_text(
        "from dataclasses import dataclass\n"
        "from paglets import ServiceOperation\n"
        "@dataclass\nclass Ask:\n    n: int\n"
        "@dataclass\nclass Unfit:\n    n: 'NoSuchName'\n"
        "Bad = ServiceOperation('bad', Unfit, Unfit)\n"
        "@dataclass\nclass Reply:\n    n: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("described")
    assert not is_described(module.Ask)
    examine("described")
    assert is_described(module.Ask)
    assert is_described(module.Reply), "the unfit one before it is left to who uses it"
    assert not is_described(module.Unfit)
    assert isinstance(module.Bad, ServiceOperation)


def test_what_hosts_say_is_described_before_the_first_fork():
    warm()
    assert all(map(is_described, events._TYPES.values()))


def test_the_sample_of_spares_is_imported_before_the_first_fork():
    warm()
    assert sys.modules["paglets.child.sample"].Sample in introspection._manifests


def is_described(cls: type) -> bool:
    """Whether msgspec keeps what it made of a dataclass, or of a Struct."""
    return hasattr(cls, "__msgspec_cache__") or issubclass(cls, msgspec.Struct)


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


SMALL, LARGE = 100, 2 * 1024 * 1024
"""Texts whose states are read and mapped."""


def write_state(folder: Path, size: int, **more: object) -> tuple[Path, bytes]:
    data = msgspec.msgpack.encode({"texts": ["x" * size], "count": 2, **more})
    path = folder / "state-file"
    path.write_bytes(data)
    return path, data


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("is_verified", [True, False])
def test_a_state_is_restored_from_its_file(host, tmp_path, size, is_verified):
    path, data = write_state(tmp_path, size)
    digest = hashlib.sha256(data).hexdigest() if is_verified else ""

    host.open("Counter", state=calls.Snapshot(path=str(path), size=len(data), sha256=digest))

    path.unlink()
    assert host.call("add") == 3


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_unknown_fields_of_a_file_are_named_where_other_code_wrote_it(host, tmp_path, size):
    path, data = write_state(tmp_path, size, gone=1)
    state = calls.Snapshot(path=str(path), size=len(data))

    assert host.open("Counter", state=state).dropped == ("gone",)


def test_a_large_file_of_the_same_code_is_not_encoded_again_to_compare(host, tmp_path):
    path, data = write_state(tmp_path, LARGE, gone=1)
    state = calls.Snapshot(path=str(path), size=len(data))

    assert host.open("Counter", state=state, is_own_code=True).dropped == ()
    assert host.call("add") == 3


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("damage", ["another digest", "cut", "empty", "gone"])
def test_a_state_file_that_is_not_what_was_written_is_refused(host, tmp_path, size, damage):
    path, data = write_state(tmp_path, size)
    digest = "00" if damage == "another digest" else hashlib.sha256(data).hexdigest()
    match damage:
        case "cut":
            path.write_bytes(data[:-1])
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
    state = calls.Snapshot(path=str(path), size=len(data), sha256=digest)

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
