"""The plot of a load: requests, latency, pods and pods listed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.load.series import Story


def plot(story: Story, path: Path) -> None:
    """Write it as an SVG whose bytes follow from the samples."""
    seconds = [sample.second for sample in story.samples]
    busy = [sample for sample in story.samples if sample.requests]
    mpl.rcParams.update({"svg.hashsalt": "slipway", "svg.fonttype": "none"})
    figure = Figure(figsize=(8, 7), layout="constrained")
    rate, latency, pods = figure.subplots(3, 1, sharex=True)
    rate.plot(seconds, [sample.requests for sample in story.samples])
    rate.set(ylabel="requests a second", ylim=(0, None))
    for name, values in {"median": [each.median for each in busy], "p95": [each.p95 for each in busy]}.items():
        latency.plot([each.second for each in busy], [1000 * value for value in values], label=name)
    latency.set(ylabel="milliseconds", ylim=(0, None))
    pods.step(seconds, [sample.pods for sample in story.samples], where="post", label="pods ready")
    pods.step(seconds, [sample.listed for sample in story.samples], where="post", label="pods listed", linestyle="--")
    pods.set(ylabel="pods", xlabel="seconds", ylim=(0, None))
    for axes in (latency, pods):
        axes.legend()
    for axes in (rate, latency, pods):
        axes.axvline(story.loaded, color="grey", linewidth=0.8, linestyle=":")
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, format="svg", metadata={"Date": None})
