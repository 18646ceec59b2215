"""`make lint`: every check, two at a time. What a failing one said is shown, what the others said is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

CHECKOUT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
BIN = CHECKOUT / ".venv/bin"
NEXT_BIN = CACHE / "venv-next/bin"  # the newest ansible-core, made by `make` where there is a Python for it
AT_ONCE = 2
MODULES = "collections/ansible_collections/slipway/cloud/plugins/modules"
ON_NODES = (
    *(f"{MODULES}/{name}.py" for name in ("footprint", "host_facts", "image_archives", "iptables_chains", "minikube")),
    f"{MODULES}/node_images.py",
    "roles/kubeadm/files/csr_approver.py",
)

# The slow ones first, so that they end first.
CHECKS: dict[str, tuple[str, ...]] = {
    "sanity": ("tools/sanity", str(BIN)),
    "sanity-next": ("tools/sanity", str(NEXT_BIN)),
    "ansible-lint": ("ansible-lint", "--strict"),
    "mypy": ("mypy",),
    "mypy-3.10": ("mypy", "--python-version=3.10", "--cache-dir=.mypy_cache/nodes", *ON_NODES),
    "yamllint": ("yamllint", "--strict", "."),
    "imports": ("lint-imports", "--no-logo"),
    "ruff": ("ruff", "check"),
    "format": ("ruff", "format", "--check"),
}


@dataclass(frozen=True)
class Outcome:
    """How a check ended, what it said and the seconds it took."""

    name: str
    passed: bool
    output: str
    seconds: float


def run(name: str) -> Outcome:
    """Run a check to its end."""
    path = f"{BIN}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT / "collections"), "NO_COLOR": "1"}
    began = time.monotonic()
    process = subprocess.run(
        CHECKS[name], cwd=CHECKOUT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return Outcome(name, process.returncode == 0, process.stdout, time.monotonic() - began)


def show(outcome: Outcome) -> None:
    """Print a line, and before it what a failing check said."""
    if not outcome.passed:
        print(f"\n{outcome.output.rstrip()}\n")
    print(f"{'passed' if outcome.passed else 'FAILED'}  {outcome.seconds:5.1f} s  {outcome.name}", flush=True)


def junit(outcomes: list[Outcome]) -> ET.ElementTree[ET.Element]:
    """Report the outcomes as pytest reports its own."""
    suite = ET.Element("testsuite", name="lint")
    for outcome in outcomes:
        case = ET.SubElement(suite, "testcase", classname="lint", name=outcome.name, time=f"{outcome.seconds:.3f}")
        if not outcome.passed:
            ET.SubElement(case, "failure").text = outcome.output
    return ET.ElementTree(suite)


def main() -> int:
    names = [name for name in CHECKS if name != "sanity-next" or NEXT_BIN.is_dir()]
    outcomes = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in as_completed([pool.submit(run, name) for name in names]):
            outcomes.append(future.result())
            show(outcomes[-1])
    if report := os.environ.get("SLIPWAY_JUNIT"):
        junit(outcomes).write(report)
    failed = sum(not outcome.passed for outcome in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
