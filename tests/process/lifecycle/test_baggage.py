"""Resources are let go of before a paglet leaves; its files travel with it or stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import HandlerError, InvalidRequestError, PagletsError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.baggage import OwnerState
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]
MIB = 1024 * 1024
CLEANED = ["hook", "cache", "broken", "file", "socket"]
"""The hook, then all resources, newest first; one that raises keeps no other from it."""


@pytest.fixture
def owner(make: Make, tmp_path: Path) -> PagletProxy:
    """A paglet with resources, whose book is `tmp_path / "book"`."""
    proxy = make("baggage:Owner", OwnerState(book=tmp_path / "book"))
    proxy.send(Message("open"))
    return proxy


@pytest.mark.parametrize(
    "leave",
    [
        lambda owner: owner.dispatch("beta"),
        lambda owner: owner.retract("beta"),
        lambda owner: owner.deactivate(),
        lambda owner: owner.dispose(),
        lambda owner: owner.send(Message("go", {"to": "beta"})),
    ],
    ids=["dispatch", "retract", "deactivate", "dispose", "a dispatch of its own"],
)
def test_resources_are_cleaned_up_newest_first_before(
    owner: PagletProxy, leave: Callable[[PagletProxy], object], tmp_path: Path
) -> None:
    leave(owner)
    assert (tmp_path / "book").read_text().split() == CLEANED


def test_resources_are_not_taken_along(owner: PagletProxy) -> None:
    owner.dispatch("beta")
    assert owner.send(Message("names")) == []


def test_a_broken_cleanup_is_told_in_the_log_of_the_paglet(
    owner: PagletProxy, mesh: LocalMesh
) -> None:
    owner.deactivate()
    lines = mesh["alpha"].observer.logs(owner.agent_id)
    assert any("cleanup of resource 'broken' raised" in line for line in lines)
    assert any("OSError: it was closed already" in line for line in lines)


def test_registered_files_are_in_the_work_dir_before_on_arrival(make: Make) -> None:
    carrier = make("baggage:Carrier")
    small = carrier.send(Message("write", {"name": "small.txt", "size": 2048}))
    large = carrier.send(Message("write", {"name": "large.bin", "size": 5 * MIB}))
    carrier.send(Message("take", {"path": "small.txt", "mode": "copy"}))
    carrier.send(Message("take", {"path": "large.bin", "mode": "move"}))
    carrier.dispatch("beta")
    assert carrier.send(Message("seen")) == [large, small]


def test_originals_of_moved_files_go_and_those_of_copied_files_stay(
    make: Make, tmp_path: Path
) -> None:
    carrier = make("baggage:Carrier")
    kept, moved = tmp_path / "kept.txt", tmp_path / "moved.txt"
    kept.write_text("stays")
    moved.write_text("goes")
    carrier.send(Message("take", {"path": str(kept), "mode": "copy"}))
    carrier.send(Message("take", {"path": str(moved), "mode": "move"}))
    carrier.dispatch("beta")
    wait_until(lambda: not moved.exists(), timeout=PATIENCE, what="the original is deleted")
    assert kept.read_text() == "stays"
    assert [seen.split()[0] for seen in carrier.send(Message("seen"))] == ["kept.txt", "moved.txt"]


def test_a_clone_gets_copies_and_the_original_keeps_its_files(make: Make, tmp_path: Path) -> None:
    carrier = make("baggage:Carrier")
    paper = tmp_path / "paper.txt"
    paper.write_text("mine")
    carrier.send(Message("take", {"path": str(paper), "mode": "move"}))
    clones = [carrier.clone("beta"), carrier.clone()]
    for clone in clones:
        assert [seen.split()[0] for seen in clone.send(Message("seen"))] == ["paper.txt"]
    assert paper.read_text() == "mine"


def test_files_of_a_refused_move_stay(make: Make, tmp_path: Path) -> None:
    carrier = make("baggage:Carrier")
    paper = tmp_path / "paper.txt"
    paper.write_text("mine")
    carrier.send(Message("take", {"path": str(paper), "mode": "move"}))
    with pytest.raises(PagletsError):
        carrier.dispatch("nowhere")
    assert paper.read_text() == "mine"
    carrier.dispatch("beta")
    wait_until(lambda: not paper.exists(), timeout=PATIENCE, what="the original is deleted")


def test_a_registered_file_that_is_gone_keeps_the_paglet_at_home(make: Make) -> None:
    carrier = make("baggage:Carrier")
    carrier.send(Message("write", {"name": "lost.txt", "size": 1024}))
    carrier.send(Message("take", {"path": "lost.txt", "mode": "copy"}))
    carrier.send(Message("lose", {"name": "lost.txt"}))
    with pytest.raises(InvalidRequestError, match=r"lost\.txt"):
        carrier.dispatch("beta")
    assert carrier.info().host_name == "alpha"
    assert carrier.send(Message("seen")) == []


def test_the_work_dir_leaves_a_host_with_its_paglet(make: Make) -> None:
    carrier = make("baggage:Carrier")
    carrier.send(Message("write", {"name": "left.txt", "size": 1024}))
    here = Path(carrier.send(Message("folders"))[0])
    carrier.dispatch("beta")
    wait_until(lambda: not here.exists(), timeout=PATIENCE, what="the work dir is removed")


def test_persistent_storage_stays_with_the_host_and_is_found_again(make: Make) -> None:
    carrier = make("baggage:Carrier")
    told = carrier.send(
        Message("write", {"name": "diary.txt", "size": 1024, "where": "persistent"})
    )
    here = Path(carrier.send(Message("folders"))[1])
    carrier.dispatch("beta")
    assert list(Path(carrier.send(Message("folders"))[1]).iterdir()) == []
    carrier.dispatch("alpha")
    assert Path(carrier.send(Message("folders"))[1]) == here
    assert told.split()[0] in [path.name for path in here.iterdir()]


def test_persistent_storage_over_its_quota_is_refused(make: Make) -> None:
    carrier = make("baggage:Carrier")
    carrier.send(Message("write", {"name": "a.bin", "size": 65 * 1024, "where": "persistent"}))
    with pytest.raises(PagletsError, match="quota"):
        carrier.send(Message("write", {"name": "b.bin", "size": 1024, "where": "persistent"}))


def test_nothing_of_a_disposed_paglet_stays_on_the_disk(make: Make) -> None:
    carrier = make("baggage:Carrier")
    carrier.send(Message("write", {"name": "a.txt", "size": 1024}))
    carrier.send(Message("write", {"name": "b.txt", "size": 1024, "where": "persistent"}))
    folders = [Path(folder) for folder in carrier.send(Message("folders"))]
    carrier.dispose()
    assert not any(folder.exists() for folder in folders)


def test_only_a_file_that_exists_can_be_registered(make: Make) -> None:
    carrier = make("baggage:Carrier")
    with pytest.raises(HandlerError, match="no file"):
        carrier.send(Message("take", {"path": "nothing.txt", "mode": "copy"}))


def test_copies_made_for_a_move_do_not_stay_behind(make: Make, mesh: LocalMesh) -> None:
    carrier = make("baggage:Carrier")
    carrier.send(Message("write", {"name": "large.bin", "size": MIB}))
    carrier.send(Message("take", {"path": "large.bin", "mode": "copy"}))
    carrier.clone()
    carrier.clone("beta")
    carrier.deactivate()
    carrier.activate()
    carrier.send(Message("take", {"path": "large.bin", "mode": "copy"}))
    carrier.dispatch("beta")
    assert carrier.info().status == "active"

    def left() -> list[str]:
        spools = [mesh[name].settings.data / "spool" for name in ("alpha", "beta")]
        files = [path for spool in spools for path in spool.iterdir()]
        return [str(path) for path in files if path.stat().st_size >= MIB]

    wait_until(lambda: not left(), timeout=PATIENCE, what="none is left", story=lambda: str(left()))
