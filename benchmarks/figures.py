"""What a benchmark measured, beside what it should: values, tables, JSON."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Goal:
    """What DESIGN.md §12 asks for."""

    name: str
    """Short, for `--only` and for comparing runs."""
    what: str
    unit: str
    target: float
    floor: str = ""
    """What the machine allows, or the best other."""
    more_is_better: bool = False


@dataclass(slots=True)
class Figure:
    """One measured row."""

    goal: Goal
    value: float
    spread: tuple[float, float]
    """Least and most, of the rounds or of the samples."""
    samples: int
    note: str = ""
    detail: dict[str, float] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool:
        """Whether the target is met."""
        if self.goal.more_is_better:
            return self.value >= self.goal.target
        return self.value <= self.goal.target

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "is_reached": self.is_reached}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def of_rounds(
    goal: Goal,
    rounds: Sequence[Sequence[float]],
    *,
    scale: float = 1.0,
    share: float = 0.5,
    note: str = "",
) -> Figure:
    """Return the best round's percentile, with the spread of all rounds.

    The best, because others use this machine too: what they take is no figure of ours.
    """
    each = [percentile(values, share) * scale for values in rounds]
    return Figure(goal, min(each), (min(each), max(each)), sum(map(len, rounds)), note)


def of_rates(goal: Goal, rates: Sequence[float], samples: int, *, note: str = "") -> Figure:
    """Return the best round's rate, with the spread of all rounds."""
    return Figure(goal, max(rates), (min(rates), max(rates)), samples, note)


def of_values(goal: Goal, values: Sequence[float]) -> Figure:
    """Return the median of single values."""
    return Figure(goal, statistics.median(values), (min(values), max(values)), len(values))


def show(value: float) -> str:
    """Return a number at three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(
    figures: Sequence[Figure],
    earlier: dict[str, float] | None = None,
    missing: dict[str, str] | None = None,
) -> str:
    """Return the figures as a Markdown table.

    Args:
        figures: One line each.
        earlier: Values of another run by name, for a column of their own.
        missing: Why rows were not measured, by the rows' names.
    """
    columns: list[tuple[str, Callable[[Figure], str]]] = [
        ("what", lambda f: f.goal.what),
        ("measured", lambda f: f"{show(f.value)} {f.goal.unit}"),
        ("spread", lambda f: f"{show(f.spread[0])} to {show(f.spread[1])}"),
        ("target", lambda f: f"{'≥' if f.goal.more_is_better else '≤'} {show(f.goal.target)}"),
        ("", lambda f: "yes" if f.is_reached else "**no**"),
        ("floor / best other", lambda f: f.goal.floor),
        ("note", lambda f: f.note),
    ]
    if earlier is not None:
        columns.insert(2, ("before", lambda f: _before(f, earlier)))
    lines = [
        "| " + " | ".join(name for name, _ in columns) + " |",
        "|" + "---|" * len(columns),
    ]
    lines += ["| " + " | ".join(read(f) for _, read in columns) + " |" for f in figures]
    for name, reason in (missing or {}).items():
        cells = [name, "not measured", *[""] * (len(columns) - 3), reason]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _before(figure: Figure, earlier: dict[str, float]) -> str:
    value = earlier.get(figure.goal.name)
    if value is None:
        return "new"
    return f"{show(value)} ({(figure.value / value - 1) * 100:+.0f} %)"
