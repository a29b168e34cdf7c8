"""The tables of docs/hooks.md as data."""

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "hooks.md"


@dataclass(frozen=True)
class Row:
    """One row of a table: its name, and what is between backquotes in each further cell."""

    name: str
    cells: tuple[tuple[str, ...], ...]


def rows(section: str) -> dict[str, Row]:
    """Return the rows of the table under the heading `section`, by name."""
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"## {section}")
    table: list[Row] = []
    for line in lines[start + 1 :]:
        if line.startswith("## "):
            break
        if line.startswith("|"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            table.append(Row(name, tuple(_words(cell) for cell in cells)))
    found = {row.name: row for row in table[2:]}
    assert len(found) == len(table) - 2, "two rows have one name"
    return found


def _words(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("`")[1::2])
