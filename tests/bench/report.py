"""docs/benchmarks.md, from the samples of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.measure import medians

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.measure import Sample

PAGE = """\
# Benchmarks

Slipway and kubectl create and delete the same pods on the same Kubernetes, taking turns in one run. Measured is the
time from the first request to the API until everything is available, or gone together with its pods; kubectl's includes
its start. Each step begins when the machine has calmed down from the one before. kubectl runs `apply` and a
`rollout status` for each cluster, and `delete --cascade=foreground`.

{environment}

{table}

Medians, in seconds; the ratio is Slipway's time to kubectl's (at most {bound:g}); the last column is the whole
`ansible` command (at most 2 s more than its work). The data of every round: [results/bench.json](results/bench.json).
`make bench` writes this page.
"""


def page(samples: Sequence[Sample], environment: Mapping[str, str], *, bound: float) -> str:
    """The whole page."""
    facts = "\n".join(f"- {name}: {value}" for name, value in environment.items())
    return PAGE.format(environment=facts, table=table(samples), bound=bound)


def table(samples: Sequence[Sample]) -> str:
    """One row a case and step."""
    commands = medians(samples, "command")
    rows = [
        [case, step, *(f"{row[name]:.2f}" for name in row), f"{row['Slipway'] / row['kubectl']:.2f}",
         f"{commands[case, step]['Slipway']:.2f}"]
        for (case, step), row in medians(samples).items()
    ]  # fmt: skip
    names = list(dict.fromkeys(sample.contender for sample in samples))
    head = ["case", "step", *names, "ratio", "ansible command"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
