"""docs/benchmarks.md, from the samples of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.detection import p95
from tests.bench.measure import medians

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.detection import Lag
    from tests.bench.measure import Sample

PAGE = """\
# Benchmarks

Slipway, kubectl and `kubernetes.core` create and delete the same pods on the same Kubernetes, taking turns in one run.
Measured is the time from the first request to the API until everything is available, or gone together with its pods;
kubectl's includes its start, that of `kubernetes.core` is what Ansible says of its task. Each step begins when the
machine has calmed down from the one before. kubectl runs `apply` and a `rollout status` for each cluster, and `delete
--cascade=foreground`; `kubernetes.core.k8s` runs in a loop with `wait`, deletes in the foreground too, and takes part
in two rounds only, which take it longer than the others all of theirs.

{environment}

{table}

![Seconds to create and to delete, by contender](results/bench.svg)

Medians, in seconds; a ratio is Slipway's time to that of another; the last column is the whole `ansible` command (at
most 2 s more than its work). The bounds are those of `tests/bench`; the data of every round:
[results/bench.json](results/bench.json). `make bench` writes this page.

Of {count} clusters of one pod, each created by a command of its own, 95 % were seen available at most
{lag.detected:.2f} s after an independent watcher saw them so, and their commands had ended at most {lag.ended:.2f} s
after it.
"""


def page(samples: Sequence[Sample], seen: Sequence[Lag], environment: Mapping[str, str]) -> str:
    """The whole page."""
    facts = "\n".join(f"- {name}: {value}" for name, value in environment.items())
    return PAGE.format(environment=facts, table=table(samples), count=len(seen), lag=p95(seen))


def table(samples: Sequence[Sample]) -> str:
    """One row a case and step."""
    commands = medians(samples, "command")
    others = [name for name in dict.fromkeys(sample.contender for sample in samples) if name != "Slipway"]
    rows = [
        [
            *(case, step, f"{row['Slipway']:.2f}"),
            *(f"{row[name]:.2f}" for name in others),
            *(f"{row['Slipway'] / row[name]:.2f}" for name in others),
            f"{commands[case, step]['Slipway']:.2f}",
        ]
        for (case, step), row in medians(samples).items()
    ]
    head = ["case", "step", "Slipway", *others, *(f"ratio to {name}" for name in others), "ansible command"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
