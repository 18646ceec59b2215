"""The worker of a real site: the seed's scenario by it and by kubectl, its pods killed at random under a soak."""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import LARGE, Kubectl
from tests.support.ansible import Run, clean_environment, run
from tests.support.calm import calm
from tests.support.paths import CHECKOUT, VENV_BIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.contenders import Site
    from tests.support.kubernetes import Kubernetes, Object

WORKERS, CLUSTERS = "slipway", "clusters"  # the namespaces of the site's worker, and of what it makes
SELECTOR = "app.kubernetes.io/name=worker"
SOAKED = re.compile(r"^soak-[0-9a-f]{10}$")
RESIDENT = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)
CREATED, DELETED = "Created cluster", "Deleted cluster"
LINES = ["Creating cluster", CREATED, "Deleting cluster", DELETED]
THE_SEEDS = {CREATED: 25.0, DELETED: math.inf}  # the seed did not wait for the end of the pods
CONTROL = str(VENV_BIN / "slipwayctl")


def driver(kubernetes: Kubernetes, *arguments: str, timeout: float) -> Run:
    """Run slipwayctl on this machine, through the port-forward that it opens."""
    return run([CONTROL, *arguments], env=_environment(kubernetes), timeout=timeout)


def workers(kubernetes: Kubernetes) -> list[Object]:
    """The pods of the worker that are not going."""
    pods = kubernetes.items("pods", f"--namespace={WORKERS}", f"--selector={SELECTOR}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def ready(kubernetes: Kubernetes) -> list[Object]:
    """Those that may be asked."""
    wanted = {"type": "Ready", "status": "True"}
    return [
        pod
        for pod in workers(kubernetes)
        if any(wanted.items() <= condition.items() for condition in pod["status"].get("conditions", []))
    ]


def memory(kubernetes: Kubernetes) -> dict[str, float]:
    """MiB that each ready worker has, by the uid of its pod."""
    found = {}
    for pod in ready(kubernetes):
        path = f"/api/v1/namespaces/{WORKERS}/pods/{pod['metadata']['name']}:9090/proxy/metrics"
        [resident] = RESIDENT.findall(kubernetes.kubectl("get", f"--raw={path}"))
        found[str(pod["metadata"]["uid"])] = float(resident) / (1 << 20)
    return found


def kill(kubernetes: Kubernetes, pod: Object) -> None:
    """SIGKILL a worker on its node; its pod goes too, for the kubelet would wait longer each time to start it again."""
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    kubernetes.on_node(node, "pkill", "-KILL", "-f", "[s]lipway_worker")
    kubernetes.kubectl("delete", "pod", name, f"--namespace={WORKERS}", "--grace-period=0", "--force", "--wait=false")


def left_over(kubernetes: Kubernetes) -> list[str]:
    """What is there of the clusters of a soak."""
    objects = kubernetes.items("deployments,replicasets,pods", f"--namespace={CLUSTERS}")
    labelled = [(obj, obj["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "")) for obj in objects]
    return [f"{obj['kind']} {obj['metadata']['name']}" for obj, cluster in labelled if SOAKED.match(cluster)]


def logfmt(text: str) -> list[dict[str, str]]:
    """The lines of a log, by their keys; lines of another kind are left out."""
    lines = [line for line in text.splitlines() if line.startswith("time=")]
    return [dict(part.split("=", 1) for part in shlex.split(line)) for line in lines]


def played(text: str) -> dict[str, float]:
    """The seconds of the create and of the delete, from the four lines of the scenario."""
    lines = logfmt(text)
    assert [line["msg"] for line in lines] == LINES, text
    return {line["msg"]: float(line["seconds"]) for line in lines if "seconds" in line}


@dataclass(frozen=True)
class Times:
    """Seconds of the seed's scenario by the worker and by kubectl, a row a round, by what they are of."""

    worker: list[Mapping[str, float]]
    kubectl: list[Mapping[str, float]]

    def medians(self) -> dict[str, tuple[float, float]]:
        """The medians of the worker and of kubectl."""
        return {what: (_median(self.worker, what), _median(self.kubectl, what)) for what in (CREATED, DELETED)}

    def too_slow(self, factor: float) -> list[str]:
        """What took the worker more than ``factor`` times kubectl's time, or longer than the seed."""
        bounds = {what: min(factor * theirs, THE_SEEDS[what]) for what, (_, theirs) in self.medians().items()}
        return [f"{what} in {ours:.1f} s" for what, (ours, _) in self.medians().items() if ours > bounds[what]]

    def __str__(self) -> str:
        told = [f"{what} in {ours:.1f} s (kubectl {theirs:.1f})" for what, (ours, theirs) in self.medians().items()]
        return ", ".join(told)


def _median(rows: Sequence[Mapping[str, float]], what: str) -> float:
    return median(row[what] for row in rows)


def scenarios(site: Site, *, rounds: int) -> Times:
    """Create and delete the seed's 30 replicas by the worker and by kubectl; who begins alternates."""
    times = Times([], [])

    def by_worker() -> None:
        arguments = ("scenario", "--name=rounds", f"--replicas={LARGE.replicas}")
        answer = driver(site.kubernetes, *arguments, timeout=180)
        assert answer.code == 0, answer.output
        times.worker.append(played(answer.output))

    def by_kubectl() -> None:
        kubectl = Kubectl()
        times.kubectl.append({CREATED: kubectl.create(LARGE, site).work, DELETED: kubectl.delete(LARGE, site).work})

    for number in range(rounds):
        for turn in (by_worker, by_kubectl) if number % 2 else (by_kubectl, by_worker):
            calm()
            turn()
    return times


@dataclass
class Soak:
    """`slipwayctl soak` beside a test; what it has in flight is in a file, so that it can be killed and go on."""

    kubernetes: Kubernetes
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has said, in all its runs."""
        log = self.home / "soak.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def start(self, seconds: float, *options: str) -> None:
        """Start it for so many seconds, and with what an earlier one had in flight."""
        flags = [f"--seconds={seconds:.0f}", f"--state={self.home / 'flights.json'}", "--interval=0.2", *options]
        command = ["setpriv", "--pdeathsig", "KILL", CONTROL, "soak", *flags]
        with (self.home / "soak.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env={**clean_environment(), **_environment(self.kubernetes)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def in_flight(self) -> int:
        """How many clusters it has not finished."""
        path = self.home / "flights.json"
        return len(json.loads(path.read_text())) if path.exists() else 0

    def finish(self, *, within: float) -> None:
        """Wait for its end. Raises `AssertionError` unless all answers were right and nothing is left."""
        assert self.process
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(within)
        code = self.process.poll()
        self.kill()
        assert code == 0, f"soak ended with {code}: {self.output[-4000:]}"
        assert not (left := left_over(self.kubernetes)), f"left over: {', '.join(left)}"

    def total(self, what: str) -> int:
        """How many calls of a kind were answered, in all its runs, as far as they have reported."""
        runs: list[int] = [0]
        for line in logfmt(self.output):
            count = int(line.get(what, 0))
            runs = [*runs[:-1], count] if count >= runs[-1] else [*runs, count]
        return sum(runs)


def killed_at_random(kubernetes: Kubernetes, home: Path, *, seconds: float, seed: int) -> str:
    """Soak the worker for so many seconds while one of its pods is killed every few seconds; return what to note."""
    chance = random.Random(seed)
    soak, kills = Soak(kubernetes, home), 0
    soak.start(seconds)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(chance.uniform(3, 10))
            assert soak.process
            assert soak.process.poll() in (None, 0), soak.output[-4000:]
            if pods := workers(kubernetes):
                kill(kubernetes, chance.choice(pods))
                kills += 1
        soak.finish(within=240)
    finally:
        soak.kill()
    calls = {what: soak.total(what) for what in ("create", "scale", "delete")}
    assert min(calls.values()), f"nothing was asked: {calls}"
    told = ", ".join(f"{count} {what}s" for what, count in calls.items())
    return f"seed {seed}: {kills} kills; {told}, all right; nothing left over"


def _environment(kubernetes: Kubernetes) -> dict[str, str]:
    return {"KUBECONFIG": str(kubernetes.kubeconfig), "NO_COLOR": "1"}
