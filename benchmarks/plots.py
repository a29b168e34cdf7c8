"""Draw the plots of `docs/performance.md` from what `benchmarks/growth.py` measured.

    pip install -e '.[plots]'
    python benchmarks/plots.py [--json docs/figures/growth.json] [--out docs/figures]

The same figures give the same bytes, so that a change of a plot in a commit is one of a figure.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

FOLDER = Path(__file__).parents[1] / "docs" / "figures"
MARKERS = "os^"


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture."""

    part: str
    """Of growth.json."""
    file: str
    title: str
    x: str
    y: str
    ticks: dict[float, str]
    """Labels of the horizontal axis by value."""
    target: tuple[str, float] | None = None
    """A line to stay below, and what it says."""


PLOTS = (
    Plot(
        "paglets", "growth-paglets.svg", "Cost on one host as its paglets become more",
        "paglets on the host", "ms, median", {10: "10", 100: "100", 1000: "1,000"},
    ),
    Plot(
        "size", "growth-size.svg", "Time to dispatch a state between two hosts",
        "size of the state",
        "seconds, median",
        {1024: "1 KiB", 16384: "16 KiB", 262144: "256 KiB", 2**22: "4 MiB", 2**26: "64 MiB",
         2**30: "1 GiB"},
    ),
    Plot(
        "hosts", "growth-hosts.svg", "What a host does for the mesh (simulated)",
        "hosts in the mesh", "per host",
        {3: "3", 16: "16", 64: "64", 256: "256", 1000: "1,000"},
        target=("at most 4 kbit/s at 16 hosts, 10 at 1,000", 10.0),
    ),
)  # fmt: skip


def draw(plot: Plot, series: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Write one picture."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, points), marker in zip(series.items(), MARKERS, strict=False):
        x, y = [each["x"] for each in points], [each["value"] for each in points]
        below = [each["value"] - each["least"] for each in points]
        above = [each["most"] - each["value"] for each in points]
        axes.errorbar(x, y, yerr=[below, above], marker=marker, markersize=4, capsize=2, label=name)
    axes.set(xscale="log", yscale="log", title=plot.title, xlabel=plot.x, ylabel=plot.y)
    axes.set_xticks(list(plot.ticks), list(plot.ticks.values()), minor=False)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if plot.target is not None:
        text, value = plot.target
        axes.axhline(value, color="gray", linestyle="--", linewidth=1, label=text)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> int:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, default=FOLDER / "growth.json", metavar="FILE")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER")
    options = parser.parse_args()
    # Text as text and ids that do not change: small files, small differences.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "paglets"})
    found = json.loads(options.json.read_text())
    for plot in PLOTS:
        draw(plot, found[plot.part]["series"], options.out / plot.file)
        print(options.out / plot.file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
