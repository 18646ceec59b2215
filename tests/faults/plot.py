"""The timeline of a run: what was done when, and acknowledged writes of each client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.faults.report import BUCKET, SAFE

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from tests.faults.report import Report

HEIGHTS = (0.85, 0.6, 0.35, 0.1)  # of what was done, in turns, so that texts do not cover each other


def plot(report: Report, title: str, path: Path) -> None:
    """Write it as an SVG whose bytes follow from the report."""
    names = sorted(report.acks, key=lambda name: (name not in SAFE, name.startswith("at-"), name))
    mpl.rcParams.update({"svg.hashsalt": "slipway", "svg.fonttype": "none"})
    figure = Figure(figsize=(8, 1.6 + 1.1 * len(names)), layout="constrained")
    done, *rows = figure.subplots(1 + len(names), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title)
    _done(done, report)
    for axes, name in zip(rows, names, strict=True):
        counts = report.acks[name]
        axes.step([BUCKET * number for number in range(len(counts))], [each / BUCKET for each in counts], where="post")
        axes.set(ylim=(0, max(1.0, *(1.1 * each / BUCKET for each in counts)) if counts else 1.0))
        axes.set_title(f"{name}: {report.clients[name].text()}", fontsize=8, loc="left")
        axes.grid(visible=True, alpha=0.3)
    rows[0].set(ylabel="acks a second")
    rows[-1].set(xlabel="seconds")
    for axes in (done, *rows):
        for at, _text in report.notes:
            axes.axvline(at, color="grey", linewidth=0.8, linestyle=":")
    figure.savefig(path, format="svg", metadata={"Date": None})


def _done(axes: Axes, report: Report) -> None:
    axes.set(ylim=(0, 1), yticks=[], frame_on=False)
    for number, (at, text) in enumerate(report.notes):
        axes.text(at, HEIGHTS[number % len(HEIGHTS)], f" {text}", fontsize=7, va="center")
