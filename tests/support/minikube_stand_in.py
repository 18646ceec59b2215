#!/usr/bin/python3
"""Stands in for minikube 1.38.1 where the real one is not at hand: says what that one says, leaves what it leaves.

It is strict about its arguments, which it notes in `.minikube/stand-in.log`. A service that only sleeps is its kubelet.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = Path(os.environ["MINIKUBE_HOME"]) / ".minikube"
PROFILE = HOME / "profiles" / "minikube"
KUBECONFIG = Path(os.environ["KUBECONFIG"])
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
PROGRAMS = ("kubeadm", "kubectl", "kubelet")
START_FLAGS = re.compile(
    r"--(driver=none|container-runtime=containerd|kubernetes-version=v[0-9.]+|cni=bridge|preload=false|cpus=1|force"
    r"|install-addons=false|embed-certs|delete-on-failure=false|interactive=false|wait=all|wait-timeout=\d+s|output=json"
    r"|extra-config=(kubeadm|kubelet|apiserver)\.[a-z-]+=\S+)"
)
ADDONS = ("default-storageclass", "ingress", "metrics-server", "storage-provisioner")
MADE = {
    "/etc/cni/net.d/1-k8s.conflist": '{"name": "bridge", "plugins": [{"type": "bridge", "bridge": "bridge"}]}\n',
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": (
        "# /var/lib/minikube/binaries\n[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n"
    ),
    "/lib/systemd/system/kubelet.service": (
        "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n[Install]\nWantedBy=multi-user.target\n"
    ),
}
ALIASES = "10.77.13.11\thost.minikube.internal\n10.77.13.11\tcontrol-plane.minikube.internal\n"
READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
CONTEXT = {
    "clusters": [
        {"name": "minikube", "cluster": {"server": "https://10.77.13.11:8443", "certificate-authority-data": "Cg=="}}
    ],
    "users": [{"name": "minikube", "user": {"client-certificate-data": "Cg==", "client-key-data": "Cg=="}}],
    "contexts": [{"name": "minikube", "context": {"cluster": "minikube", "user": "minikube"}}],
}


def say(kind: str, **data: str) -> None:
    """Print an event as `--output=json` does."""
    event = {"specversion": "1.0", "source": "https://minikube.sigs.k8s.io/", "type": f"io.k8s.sigs.minikube.{kind}"}
    print(json.dumps({**event, "datacontenttype": "application/json", "data": data}))


def refuse(name: str, message: str, *, code: int) -> int:
    """Print the event of an error and return the exit code."""
    say("error", name=name, message=message, advice="", exitcode=str(code), issues="", url="")
    return code


def system(*command: str) -> int:
    """Run a command for its exit code."""
    return subprocess.run(command, check=False, capture_output=True).returncode


def enabled() -> list[str]:
    """Return the add-ons that are on."""
    return list(json.loads((PROFILE / "config.json").read_text())["Addons"])


def start(*flags: str) -> int:
    """Leave what the real one leaves, kubelet disabled included."""
    if wrong := [flag for flag in flags if not START_FLAGS.fullmatch(flag)]:
        return refuse("MK_USAGE", f"unknown flag: {wrong[0]}", code=64)
    version = next(flag for flag in flags if flag.startswith("--kubernetes-version=")).partition("=")[2]
    cache = HOME / "cache" / "linux" / ARCHITECTURE / version
    if missing := [name for name in PROGRAMS if not os.access(cache / name, os.X_OK)]:
        message = (
            f"Failed to cache binaries: dl.k8s.io/release/{version}/bin/linux/{ARCHITECTURE}/{missing[0]}: no such host"
        )
        return refuse("INET_CACHE_KUBECTL", message, code=40)
    for path, text in MADE.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    hosts = Path("/etc/hosts")
    hosts.write_text("".join(line for line in hosts.open() if ".minikube." not in line) + ALIASES)
    PROFILE.mkdir(parents=True, exist_ok=True)
    (PROFILE / "config.json").write_text('{"Addons": []}')
    KUBECONFIG.parent.mkdir(exist_ok=True)
    KUBECONFIG.write_text(json.dumps(CONTEXT))
    system("systemctl", "daemon-reload")
    system("systemctl", "restart", "kubelet")
    say("step", currentstep="19", totalsteps="19", name="Done", message="Done! kubectl is now configured")
    return 0


def status(*_flags: str) -> int:
    """Say whether it runs: 2 says that the cluster does not."""
    if not PROFILE.exists():
        say("step", message='Profile "minikube" not found.')
        return 85
    runs = system("systemctl", "is-active", "kubelet") == 0
    state = "Running" if runs else "Stopped"
    print(
        json.dumps(
            {"Name": "minikube", "Host": state, "Kubelet": state, "APIServer": state, "Kubeconfig": "Configured"}
        )
    )
    return 0 if runs else 2


def stop(*_flags: str) -> int:
    """Stop the kubelet."""
    return system("systemctl", "stop", "kubelet")


def delete(*_flags: str) -> int:
    """Delete the profile and leave the rest, as the real one does."""
    system("systemctl", "stop", "kubelet")
    rmtree(PROFILE)
    return 0


def addons(action: str, *arguments: str) -> int:
    """List add-ons, or switch one."""
    on = enabled() if PROFILE.exists() else []
    if action == "list":
        print(json.dumps({name: {"Status": "enabled" if name in on else "disabled"} for name in ADDONS}))
        return 0
    (name,) = arguments
    if name not in ADDONS:
        print(f"X Exiting due to MK_ADDON_ENABLE: {name} is not a valid addon", file=sys.stderr)
        return 10
    others = [addon for addon in on if addon != name]
    (PROFILE / "config.json").write_text(json.dumps({"Addons": others + [name] * (action == "enable")}))
    return 0


def kubectl(_dashes: str, action: str, *arguments: str) -> int:
    """Answer what the module and the role ask of a Kubernetes."""
    if "--context=minikube" not in arguments:
        print("error: no context", file=sys.stderr)
        return 1
    names = ["coredns-7d764666f9-abcde", *["storage-provisioner"] * ("storage-provisioner" in enabled())]
    items: list[dict[str, Any]] = [{"kind": "Node", "metadata": {"name": "m-node1"}, "status": READY}]
    items += [{"kind": "Pod", "metadata": {"name": name}, "status": READY} for name in names]
    items += [{"kind": "StorageClass", "metadata": {"name": "standard"}}] * ("default-storageclass" in enabled())
    claims = {"apply": "created", "wait": "condition met", "delete": "deleted"}
    answers = {"get": json.dumps({"kind": "List", "items": items}), "config": json.dumps(CONTEXT)}
    print({**claims, **answers}[action])
    return 0


def main() -> int:
    """Note the arguments and do what they say."""
    command, *arguments = sys.argv[1:]
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "stand-in.log").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    commands: dict[str, Callable[..., int]] = {
        "start": start,
        "status": status,
        "stop": stop,
        "delete": delete,
        "addons": addons,
        "kubectl": kubectl,
    }
    return commands[command](*arguments)


if __name__ == "__main__":
    sys.exit(main())
