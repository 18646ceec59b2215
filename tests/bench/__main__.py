"""`python -m tests.bench [ROUNDS]`: measure, write docs/benchmarks.md, fail where a bound is broken."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.bench.contenders import CONTENDERS, MANY, ONE, KubernetesCore, Site
from tests.bench.detection import Lag, lags, too_late
from tests.bench.measure import Bound, Sample, as_kubectl, rounds, too_slow
from tests.bench.plot import plot
from tests.bench.report import page, table
from tests.support.kubernetes import Kubernetes
from tests.support.paths import CHECKOUT, RESULTS
from tests.support.record import commit, today

BOUNDS = (
    *as_kubectl(1.15),
    Bound("kubernetes.core", "create", 1 / 12, (MANY,)),
    Bound("kubernetes.core", "delete", 1 / 2, (MANY,)),
)
COMMANDS = {(ONE.title, "create"): 3.5}


def measure(kubernetes: Kubernetes, count: int) -> tuple[list[Sample], list[Lag]]:
    """Run the rounds in a namespace of their own, showing each sample, then see how soon a cluster is noticed."""
    namespace = kubernetes.new_namespace()
    samples = []
    try:
        with tempfile.TemporaryDirectory() as scratch:
            site = Site(kubernetes, namespace, kubernetes.image("registry.k8s.io/pause"), Path(scratch))
            for sample in rounds(count, site, contenders=(*CONTENDERS, KubernetesCore())):
                samples.append(sample)
                print(
                    f"round {sample.round}: {sample.contender} {sample.step} {sample.case}: {sample.work:.2f} s",
                    flush=True,
                )
            return samples, list(lags(4 * count, site))
    finally:
        kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")


def environment(kubernetes: Kubernetes, count: int) -> dict[str, str]:
    """What the times depend on."""
    nodes = kubernetes.items("nodes")
    version = nodes[0]["status"]["nodeInfo"]["kubeletVersion"]
    return {
        "run": f"{today()}, commit {commit()}, {count} rounds",
        "Kubernetes": f"{version}, {len(nodes)} nodes on one machine",
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}",
    }


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description="Compare Slipway with kubectl and kubernetes.core.")
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    count: int = parser.parse_args().rounds
    kubernetes = Kubernetes()
    samples, seen = measure(kubernetes, count)
    facts = environment(kubernetes, count)
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = {
        "environment": facts,
        "samples": [asdict(sample) for sample in samples],
        "lags": [asdict(lag) for lag in seen],
    }
    (RESULTS / "bench.json").write_text(json.dumps(data, indent=1) + "\n")
    plot(samples, RESULTS / "bench.svg")
    (CHECKOUT / "docs" / "benchmarks.md").write_text(page(samples, seen, facts))
    print(table(samples))
    slow = too_slow(samples, bounds=BOUNDS, commands=COMMANDS) + too_late(seen)
    print(*slow, sep="\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
