import os
from pathlib import Path

import pytest

from paglets.supervise.children import ChildrenList, end_orphans, read_children
from paglets.supervise.identity import (
    ProcessIdentity,
    boot_id,
    is_running,
    is_same,
    process_start,
)


def identity(number: int) -> ProcessIdentity:
    return ProcessIdentity(number, f"{number}00", "boot")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "children"


def test_what_is_added_is_read_back_at_once(path: Path) -> None:
    listing = ChildrenList(path)
    for number in (10, 11):
        listing.add(identity(number))
    assert read_children(path) == [identity(10), identity(11)]
    listing.close()


def test_a_missing_list_is_empty(path: Path) -> None:
    assert read_children(path) == []


def test_the_list_is_readable_by_its_owner_only(path: Path) -> None:
    ChildrenList(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_torn_last_line_is_skipped_and_harms_no_other(path: Path, cut: int) -> None:
    listing = ChildrenList(path)
    listing.add(identity(10))
    listing.close()
    path.write_bytes(path.read_bytes() + b"\n11 1100 boot .\n"[:cut])
    listing = ChildrenList(path)
    listing.add(identity(12))
    listing.close()
    assert read_children(path) == [identity(10), identity(12)]


def test_foreign_bytes_are_skipped(path: Path) -> None:
    path.write_bytes(
        b"\xff\xfe\n\n0 1 boot .\n1 1 boot .\n-5 1 boot .\nx 1 boot .\n12 1200 boot .\n"
    )
    assert read_children(path) == [identity(12)]


def test_a_process_that_ended_leaves_the_list_when_it_is_written_anew(path: Path) -> None:
    listing = ChildrenList(path)
    listing.add(identity(10))
    for number in range(100, 1300):
        listing.add(identity(number))
        listing.remove(identity(number))
    kept = read_children(path)
    assert kept[0] == identity(10)
    assert len(kept) < 1100
    listing.close()


def test_a_write_that_was_cut_short_is_an_error(path: Path, monkeypatch) -> None:
    listing = ChildrenList(path)
    monkeypatch.setattr(os, "write", lambda fd, data: len(data) - 3)
    with pytest.raises(OSError, match="disk full"):
        listing.add(identity(10))
    listing.close()


def test_ending_orphans_empties_a_list_of_the_dead(path: Path) -> None:
    listing = ChildrenList(path)
    listing.add(ProcessIdentity(2**22 + 1, "1", boot_id()))
    listing.close()
    report = end_orphans(path, timeout=1.0)
    assert report.ended == report.alive == ()
    assert path.read_bytes() == b""


def test_a_process_is_told_from_another_with_its_pid() -> None:
    start = process_start(os.getpid())
    assert start is not None
    this = ProcessIdentity(os.getpid(), start, boot_id())
    assert is_same(this)
    assert is_running(this)
    for other in (
        ProcessIdentity(this.pid, "1", this.boot_id),
        ProcessIdentity(this.pid, start, "other boot"),
    ):
        assert not is_same(other)
        assert not is_running(other)
