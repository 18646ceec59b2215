"""`python -m tests.bench.scale [CLUSTERS]`: many clusters in one task, on simulated nodes; writes docs/scale.md.

Compared are a raw client, which does nothing but send the same requests, and one that does nothing but watch.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.support.ansible import run
from tests.support.api_server import ADMIN
from tests.support.calm import calm
from tests.support.kubernetes import succeed
from tests.support.paths import CHECKOUT, RESULTS
from tests.support.record import commit, today
from tests.support.simulated import SimulatedKubernetes
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLUSTERS, NODES, ROUNDS = 500, 1000, 8

PAGE = """\
# Scale

{clusters:g} clusters of one pod each, created by one task and waited for, on {nodes} simulated nodes: etcd,
kube-apiserver, kube-controller-manager and kube-scheduler of the bundle, and kwok in place of the kubelets. All of them
and the engine share one machine of two cores. Medians of {rounds} rounds, in half of which the raw client comes first;
{date}, commit {commit}.

{table}

The POST phase is the time from the first Deployment that the API server has accepted to the last; the raw client is a
process that sends the same requests, as many at a time, and does nothing else. A third process watches either one's
clusters, and tells when the last was ready. The data of every round: [results/scale.json](results/scale.json).
`make bench` writes this page.
"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Round:
    """What a task of so many clusters took, and what it is compared with; seconds and MiB."""

    clusters: int
    streams: int
    streams_of_one: int
    memory: float
    cpu: float
    post: float
    raw_post: float
    added: float
    seconds: float


@dataclass(frozen=True)
class Bounds:
    """What is promised: memory over the interpreter, the ratio of the POST phases, and what the wait may add."""

    memory: float = 120.0
    post: float = 1.2
    added: float = 1.0


def measure(kubernetes: SimulatedKubernetes, count: int, *, raw_first: bool = True, patience: float = 20) -> Round:
    """Take one task of one cluster, and the raw client and one task of `count`, each when the machine is calm.

    It may take so many seconds of patience each time until it is. Who comes second finds a Kubernetes that has just
    deleted what the first one made.
    """
    one, _last = watched(kubernetes, "one_task", 1)
    programs, taken = ("raw_client", "one_task"), {}
    for program in programs if raw_first else reversed(programs):
        calm(within=patience)
        taken[program] = watched(kubernetes, program, count)
    (raw, _last), (many, last) = taken["raw_client"], taken["one_task"]
    return Round(
        clusters=count,
        streams=many["streams"],
        streams_of_one=one["streams"],
        memory=many["memory"],
        cpu=many["cpu"],
        post=many["post"],
        raw_post=raw["post"],
        added=many["ended"] - last,
        seconds=many["seconds"],
    )


def watched(kubernetes: SimulatedKubernetes, program: str, count: int) -> tuple[dict[str, Any], float]:
    """What a program of the bench says of so many clusters that it makes, and when the last of them was ready."""
    with a_namespace(kubernetes) as namespace, ThreadPoolExecutor(1) as pool:
        command = [sys.executable, "-m", f"tests.bench.{program}", str(kubernetes.home / "kubeconfig"), namespace]
        answer = pool.submit(run, [*command, str(count)], env={"PYTHONPATH": "collections"}, timeout=300)
        last = last_ready(kubernetes, namespace, count)
        return json.loads(succeed(answer.result()).output), last


def last_ready(kubernetes: SimulatedKubernetes, namespace: str, count: int) -> float:
    """When the last of so many Deployments of one pod was available, by a watch that does nothing else."""
    connection = http.client.HTTPSConnection("127.0.0.1", kubernetes.port, context=kubernetes.trust, timeout=300)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments?watch=true&timeoutSeconds=300"
    connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN}"})
    ready: set[str] = set()
    with connection.getresponse() as lines:
        for line in lines:
            if b'"availableReplicas":1' in line:
                ready.add(json.loads(line)["object"]["metadata"]["name"])
            if len(ready) == count:
                break
    connection.close()
    assert len(ready) == count, f"{len(ready)} of {count} clusters became available"
    return time.monotonic()


@contextmanager
def a_namespace(kubernetes: SimulatedKubernetes) -> Iterator[str]:
    """A namespace; the one before is gone by then with all that was in it, so that nobody has to work for it."""
    number = next(_numbers)
    name, before = f"scale-{number}", f"/api/v1/namespaces/scale-{number - 1}"
    eventually(lambda: not kubernetes.has(before), within=180, what=f"{before} gone", every=0.2)
    kubernetes.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    kubernetes.request("DELETE", f"/api/v1/namespaces/{name}")


def medians(rounds: Sequence[Round]) -> Round:
    """The round in the middle, number by number."""
    return Round(**{name: median(asdict(each)[name] for each in rounds) for name in asdict(rounds[0])})


def broken(result: Round, bounds: Bounds) -> list[str]:
    """Which bounds do not hold."""
    judged = {
        f"{result.streams} streams, {result.streams_of_one} for one cluster": result.streams == result.streams_of_one,
        f"{result.memory:.0f} MiB, more than {bounds.memory:g}": result.memory <= bounds.memory,
        f"POST took {result.post:.2f} s, more than {bounds.post:g} times a raw client's {result.raw_post:.2f} s": (
            result.post <= bounds.post * result.raw_post
        ),
        f"the wait ended {result.added:.2f} s after the last cluster was ready, more than {bounds.added:g}": (
            result.added <= bounds.added
        ),
    }
    return [what for what, holds in judged.items() if not holds]


def page(rounds: Sequence[Round], nodes: int, bounds: Bounds) -> str:
    """docs/scale.md, from the rounds of one run."""
    result = medians(rounds)
    rows = [
        ("watch streams", f"{result.streams:g}", f"{result.streams_of_one:g} for one cluster"),
        ("memory over the interpreter", f"{result.memory:.0f} MiB", f"{bounds.memory:g} MiB"),
        ("POST phase", f"{result.post:.2f} s", f"{bounds.post:g} times a raw client's {result.raw_post:.2f} s"),
        ("from the last cluster's readiness to the end", f"{result.added:.2f} s", f"{bounds.added:g} s"),
        ("whole task", f"{result.seconds:.2f} s", ""),
        ("processor time of the engine", f"{result.cpu:.2f} s", ""),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [("", "measured", "at most"), ("---",) * 3, *rows])
    return PAGE.format(
        clusters=result.clusters, nodes=nodes, date=today(), commit=commit(), rounds=len(rounds), table=table
    )


def main() -> int:
    """Return the exit code."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CLUSTERS
    with tempfile.TemporaryDirectory() as home, SimulatedKubernetes(Path(home), nodes=NODES) as kubernetes:
        rounds = []
        for number in range(ROUNDS):
            rounds.append(measure(kubernetes, count, raw_first=number % 2 == 0))
            print(f"round {number + 1}: {rounds[-1]}", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps([asdict(each) for each in rounds], indent=1) + "\n")
    (CHECKOUT / "docs" / "scale.md").write_text(page(rounds, NODES, Bounds()))
    complaints = broken(medians(rounds), Bounds())
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
