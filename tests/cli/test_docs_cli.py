"""The pages for users say what is so: the command reference, the README's map, the names."""

import re
from pathlib import Path

import pytest

from tests.cli.reference import PAGE, render

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

GLOSSARY = """
Agent, Aglet, Context, ContextEvent, AutoStartSpec, Dispatch, Clone, Envelope, Host, Inactive,
HostRef, Itinerary, LaunchConfig, Message, MessageMailbox, Paglet Process, Mesh, MeshInfoAgent,
Paglet, PagletProxy, PagletProxyRef, PerformanceBenchmarkAgent, Performance Benchmark Lock,
ResourceRegistry, Runtime Value Enum, ResidentService, ServiceContract, ServiceHandle, ServiceLease,
ServiceOperation, ServiceRecord, ServerInfoAgent, State, State Lock, TransferTicket
"""
WORDS = [word.strip() for word in GLOSSARY.replace("\n", " ").split(",")]


def rows() -> dict[str, str]:
    """Return the last column of the README's map by each concept of its first."""
    found: dict[str, str] = {}
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3:
            found.update(dict.fromkeys(cells[0].split(", "), cells[2]))
    return found


def test_the_command_reference_is_what_help_says():
    assert PAGE.read_text() == render(), "run: python -m tests.cli.reference"


@pytest.mark.parametrize("word", WORDS)
def test_the_map_has_every_word_of_the_glossary(word):
    assert word in rows()


def test_the_map_leads_to_files_that_exist():
    for word, place in rows().items():
        for path in re.findall(r"`(paglets/[^`]+)`", place):
            assert (ROOT / path).exists() or place.startswith("come"), f"{word}: {path}"


def test_links_of_the_readme_and_of_getting_started_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "docs" / "getting-started.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            # The architecture page has an author of its own.
            assert (page.parent / target).exists() or "architecture" in target, f"{page}: {target}"


def test_nothing_tells_anybody_to_install_the_other_project():
    wrong = re.compile(
        r"(pip|pipx|uv|poetry)3?\s+(tool\s+)?(install|add)\s+(-\S+\s+)*paglets(?!-mesh)\b"
    )
    skipped = {".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"}
    for path in ROOT.rglob("*"):
        parts = set(path.relative_to(ROOT).parts)
        if parts & skipped or any(part.startswith(".venv") for part in parts):
            continue
        if path.is_file() and path.suffix in {
            ".py",
            ".md",
            ".toml",
            ".sh",
            ".yaml",
            ".yml",
            "",
            ".txt",
        }:
            found = wrong.search(path.read_text(errors="replace"))
            assert found is None, f"{path}: {found and found.group()}"


def test_that_search_would_find_what_it_looks_for():
    wrong = "pip install " + "paglets"
    assert re.search(r"pip\s+install\s+paglets(?!-mesh)\b", wrong)
    assert not re.search(r"pip\s+install\s+paglets(?!-mesh)\b", wrong + "-mesh")
