"""The plot of docs/benchmarks.md, from the samples of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.measure import medians

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.measure import Sample


def plot(samples: Sequence[Sample], path: Path) -> None:
    """Write the table as bars, an SVG whose bytes follow from the samples."""
    rows = medians(samples)
    names = list(next(iter(rows.values())))
    height = 0.8 / len(names)
    mpl.rcParams.update({"svg.hashsalt": "slipway", "svg.fonttype": "none"})
    figure = Figure(figsize=(8, 0.9 * len(rows) + 0.8), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(names):
        places = [place + number * height for place in range(len(rows))]
        bars = axes.barh(places, [row[name] for row in rows.values()], height, label=name)
        axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.set_yticks([place + height * (len(names) - 1) / 2 for place in range(len(rows))])
    axes.set_yticklabels([f"{case}, {step}" for case, step in rows])
    axes.set(xscale="log", xlabel="seconds (median; logarithmic)")
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(path, format="svg", metadata={"Date": None})
