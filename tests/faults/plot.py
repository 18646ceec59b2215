"""The timeline of a run: acknowledged writes of each client, and what was done when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.faults.report import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.report import Report


def plot(report: Report, title: str, path: Path) -> None:
    """Write it as an SVG whose bytes follow from the report."""
    mpl.rcParams.update({"svg.hashsalt": "slipway", "svg.fonttype": "none"})
    figure = Figure(figsize=(8, 1.2 + 1.1 * len(report.acks)), layout="constrained")
    rows = figure.subplots(len(report.acks), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title)
    for axes, (name, counts) in zip(rows, report.acks.items(), strict=True):
        axes.step([BUCKET * number for number in range(len(counts))], [each / BUCKET for each in counts], where="post")
        axes.set(ylim=(0, None))
        axes.set_title(f"{name}: {report.clients[name].text()}", fontsize=8, loc="left")
        axes.grid(visible=True, alpha=0.3)
        for at, _text in report.notes:
            axes.axvline(at, color="grey", linewidth=0.8, linestyle=":")
    rows[-1].set(xlabel="seconds")
    rows[0].set(ylabel="acks a second")
    height = rows[0].get_ylim()[1]
    for at, text in report.notes:
        rows[0].text(at, height, f" {text}", fontsize=6, rotation=90, va="top")
    figure.savefig(path, format="svg", metadata={"Date": None})
