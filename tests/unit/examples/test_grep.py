"""Which files a search means, which it may read, and what it finds."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from paglets.examples.grep.globs import parse_glob
from paglets.examples.grep.searching import LINE_CHARACTERS, Rules, Search, files_of, shown


@pytest.mark.parametrize(
    ("glob", "met", "not_met"),
    [
        ("/var/log/*.log", ["/var/log/a.log"], ["/var/log/a/b.log", "/var/log/.a.log", "/a.log"]),
        ("/var/**/*.log", ["/var/a.log", "/var/x/y/a.log"], ["/var/.x/a.log", "/var/a.txt"]),
        ("/var/log", ["/var/log", "/var/log/a/b"], ["/var/log/.a/b", "/var/logs", "/var/log/.a"]),
        ("/", ["/a", "/a/b"], ["/.a/b"]),
        ("/var/**", ["/var/a", "/var/a/b"], ["/var/.a", "/var"]),
        ("/a/.b*/[!x]?", ["/a/.bc/yz"], ["/a/.bc/xz", "/a/b/yz", "/a/.bc/y"]),
        ("/a/[[]x", ["/a/[x"], ["/a/]x"]),
        ("/a/x+(1).txt", ["/a/x+(1).txt"], ["/a/xx1.txt"]),
    ],
)
def test_a_glob_means(glob, met, not_met):
    found = parse_glob(glob)
    assert [path for path in met + not_met if found.meets(path)] == met


@pytest.mark.parametrize("text", ["var/log", "/var/../etc/*", "/a/[b", ""])
def test_a_glob_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"absolute|\["):
        parse_glob(text)


def make(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def run(
    folder: Path, pattern: str, globs: Sequence[str], *, rules: Rules | None = None,
    limits: tuple[int, int] = (100, 10**9), stop=lambda: False,
):  # fmt: skip
    search = Search(
        "alpha", re.compile(pattern), rules or Rules.read(str(folder)), limits=limits, stop=stop
    )
    hits = list(search.hits([parse_glob(f"{folder}/{glob}") for glob in globs]))
    return [(Path(hit.path).name, hit.line, hit.text) for hit in hits], search.tally


def test_lines_that_match_are_found_with_their_place(tmp_path: Path):
    make(tmp_path, {"b.log": "one\ntwo ERROR\n", "a/c.log": "ERROR at once", "d.txt": "ERROR"})
    hits, tally = run(tmp_path, "ERR.R", ["**/*.log"])
    assert hits == [("b.log", 2, "two ERROR"), ("c.log", 1, "ERROR at once")]
    assert (tally.matches, tally.files, tally.unreadable, tally.cut) == (2, 2, 0, "")


def test_a_file_is_searched_once_and_binary_ones_are_not(tmp_path: Path):
    make(tmp_path, {"a.log": "x\n", "b.log": b"x\0y\n"})
    (tmp_path / "c.log").symlink_to(tmp_path / "a.log")
    hits, tally = run(tmp_path, "x", ["*.log", "**"])
    assert hits == [("a.log", 1, "x")]
    assert tally.files == 1


def test_a_limit_ends_the_search_and_is_named(tmp_path: Path):
    make(tmp_path, {"a.log": "x\n" * 50})
    hits, tally = run(tmp_path, "x", ["*"], limits=(3, 10**9))
    assert len(hits) == 3
    assert tally.cut == "3 matches, which is the limit"
    _, tally = run(tmp_path, "x", ["*"], limits=(100, 1))
    assert "which is the limit" in tally.cut
    _, tally = run(tmp_path, "x", ["*"], stop=lambda: True)
    assert tally.cut == "the time is over"


def test_without_the_owners_word_only_what_everybody_may_read_is_searched(tmp_path: Path):
    make(tmp_path, {"open.log": "x", "own.log": "x"})
    (tmp_path / "own.log").chmod(0o600)
    (tmp_path / "open.log").chmod(0o644)
    rules = Rules()
    assert not rules.allow((tmp_path / "own.log").resolve())
    tmp_path.chmod(0o700)  # nobody else comes to what is in it
    assert not rules.allow((tmp_path / "open.log").resolve())
    assert Rules.read(str(tmp_path)).allow((tmp_path / "own.log").resolve())
    assert rules.allow(Path("/etc/passwd"))


def test_a_link_does_not_lead_out_of_what_may_be_searched(tmp_path: Path):
    make(tmp_path, {"in/a.log": "x", "out/b.log": "x"})
    (tmp_path / "out/b.log").chmod(0o600)
    (tmp_path / "in/b.log").symlink_to(tmp_path / "out/b.log")
    hits, tally = run(tmp_path, "x", ["in/*"], rules=Rules.read(str(tmp_path / "in")))
    assert [name for name, _, _ in hits] == ["a.log"]
    assert tally.unreadable == 1


def test_an_owner_can_forbid_it_all_and_system_files_never_count():
    assert Rules.read("off").is_off
    assert not Rules.read("off").allow(Path("/etc/passwd"))
    assert not Rules.read("/").allow(Path("/proc/self/environ"))


def test_files_come_in_order_without_hidden_folders(tmp_path: Path):
    make(tmp_path, {"b": "", "a": "", "z/c": "", ".h/d": "", "y/q/r": ""})
    found = [str(p.relative_to(tmp_path)) for p in files_of(parse_glob(f"{tmp_path}/**"))]
    assert found == ["a", "b", "y/q/r", "z/c"]
    assert [p.name for p in files_of(parse_glob(f"{tmp_path}/.h/*"))] == ["d"]
    assert [p.name for p in files_of(parse_glob(f"{tmp_path}/*/c"))] == ["c"]


def test_a_line_without_end_is_searched_in_pieces(tmp_path: Path):
    make(tmp_path, {"a": "y" * LINE_CHARACTERS + "x\nx\n"})
    hits, _ = run(tmp_path, "x", ["a"])
    assert [line for _, line, _ in hits] == [1, 2]


def test_what_is_shown_is_short_and_harmless():
    assert shown("a\tb\x1b[31m\r\n") == "a\tb\N{REPLACEMENT CHARACTER}[31m"
    assert len(shown("x" * 1000)) == 300
