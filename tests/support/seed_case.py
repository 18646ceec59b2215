"""Seed 003's case: one file, one run of lifecycle.yml, and what an independent watch of the pods saw meanwhile."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.support.ansible import Run, playbook
from tests.support.kubernetes import succeed
from tests.support.paths import VENV_BIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes

Object = dict[str, Any]

SERVE = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
http.server.test(http.server.SimpleHTTPRequestHandler, port=9000)
"""


def take(kubernetes: Kubernetes, file: Path, **variables: Any) -> Run:
    """Run the playbook on a file."""
    known = {"lifecycle_file": str(file), "site_kubeconfig": str(kubernetes.kubeconfig), "lifecycle_timeout": 60}
    return playbook("lifecycle", {"confirm": "yes", **known, **variables}, inventory="existing", timeout=120)


def live(kubernetes: Kubernetes, obj: Object, home: Path) -> Run:
    """Take an object with one replica through the default steps: 1 -> 2 replicas confirmed by the pods, then gone."""
    kind, namespace = obj["kind"], obj["metadata"]["namespace"]
    (home / "model.json").write_text(json.dumps(obj))
    with _watched(kubernetes, namespace, home / "pods.json"):
        answer = succeed(take(kubernetes, home / "model.json"))
    assert _available_counts(home / "pods.json") in ([0, 1, 2, 0], [0, 1, 2, 1, 0])
    assert kubernetes.items(f"{kind},deployments,replicasets,pods", f"--namespace={namespace}") == []

    told = events(home / "model.events.ndjson")
    milestones = [each["milestone"] for each in told if each["milestone"]]
    wait, step = ["took effect"], ["executed", "took effect"]
    assert milestones == [*step, *wait, *step, *wait, *step]
    effects = [each["time"] for each in told if each["milestone"] == "took effect"]
    ready = _ready_since(home / "pods.json")
    assert all(effect >= since for effect, since in zip(effects[1:3], ready, strict=True)), (effects, ready)
    return answer


def events(path: Path) -> list[Object]:
    """An event log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def _watched(kubernetes: Kubernetes, namespace: str, log: Path) -> Iterator[None]:
    """Note all that happens to the pods of a namespace, by kubectl, which knows nothing of us."""
    flags = ["--watch", "--output-watch-events", "--output=json", f"--namespace={namespace}"]
    command = [str(VENV_BIN / "kubectl"), f"--kubeconfig={kubernetes.kubeconfig}", "get", "pods", *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _documents(path: Path) -> Iterator[Object]:
    """The JSON documents of a file that holds several."""
    text, decoder = path.read_text(), json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def _available_counts(log: Path) -> list[int]:
    """How many pods were ready and to stay, after each change in that number."""
    ready: set[str] = set()
    counts = [0]
    for event in _documents(log):
        pod = event["object"]
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
        there = event["type"] != "DELETED" and "deletionTimestamp" not in pod["metadata"]
        (ready.add if there and conditions.get("Ready") == "True" else ready.discard)(pod["metadata"]["uid"])
        counts += [len(ready)] * (len(ready) != counts[-1])
    return counts


def _ready_since(log: Path) -> list[float]:
    """When each pod became ready, by the kubelet's clock: seconds since the epoch, in whole seconds."""
    return sorted(
        {
            event["object"]["metadata"]["uid"]: datetime.fromisoformat(each["lastTransitionTime"]).timestamp()
            for event in _documents(log)
            for each in event["object"]["status"].get("conditions", [])
            if (each["type"], each["status"]) == ("Ready", "True")
        }.values()
    )
