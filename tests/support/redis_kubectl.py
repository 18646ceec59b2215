"""kubectl and kubelet for a set of Redis nodes that are processes here, with Secrets that an API server really keeps.

python -m tests.support.redis_kubectl STAND.json exec redis-0 -- python3 -m slipway_redis ctl status

`exec` runs a command as in that pod; `annotate` gives pods what the Secret redis-acl holds, as kubelet does; `rollout
restart` has the writers of the test read the Secret redis, unless the stand says that it is to fail once; `rollout
status` has nothing to do.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import BUNDLE_BIN


def main(path: Path, arguments: list[str]) -> int:
    stand: dict[str, Any] = json.loads(path.read_text())
    match arguments:
        case ["exec", pod, "--", "python3", *command]:
            return subprocess.run(
                [stand["python"], *command], env=stand["pods"][pod], cwd=stand["cwd"], check=False
            ).returncode
        case ["annotate", "pods", *_]:
            give(held(stand, "redis-acl"), Path(stand["secrets"]))
        case ["rollout", "restart", _] if (once := Path(stand["fails_once"])).exists():
            once.unlink()
            print("interrupted, as the test wants it", file=sys.stderr)
            return 1
        case ["rollout", "restart", _]:
            give({"password": held(stand, "redis")["password"]}, Path(stand["writers"]))
        case ["rollout", "status", *_]:
            pass
        case _:
            print(f"unknown to this kubectl: {arguments}", file=sys.stderr)
            return 1
    return 0


def held(stand: dict[str, Any], name: str) -> dict[str, str]:
    """What a Secret holds."""
    kubectl = [str(BUNDLE_BIN / "kubectl"), f"--kubeconfig={stand['kubeconfig']}", f"--namespace={stand['namespace']}"]
    answer = subprocess.run(
        [*kubectl, "get", "secret", name, "--output=json"], capture_output=True, check=True, timeout=30
    )
    return {key: base64.b64decode(value).decode() for key, value in json.loads(answer.stdout)["data"].items()}


def give(files: dict[str, str], directory: Path) -> None:
    """Write files, each at once; the version last."""
    directory.mkdir(exist_ok=True)
    for name in sorted(files, key="version".__eq__):
        new = directory / f".{name}"
        new.write_text(files[name])
        new.rename(directory / name)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
