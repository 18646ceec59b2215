"""A Kubernetes by minikube on the VM of molecule's scenario, after its role: one test after the other, to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.ansible import Run, playbook, run
from tests.support.paths import CACHE, CHECKOUT, VENV_BIN

INVENTORY = ("-i", "inventories/testbed", "-i", "molecule/minikube/inventory", "-e", "vm_set=m")
VERSION = json.loads((CACHE / "bundle/manifest.json").read_text())["tools"]["kubernetes"]["version"]
AS_THE_ROLE = {
    "kubernetes_version": VERSION,
    "force": True,
    "ignore_preflight_errors": ["SystemVerification"],
    "kubelet_config_dir": "/etc/kubernetes/kubelet.conf.d",
}


def on_vm(module: str, options: dict[str, Any]) -> Run:
    """Run a module on the VM as root."""
    command = [str(VENV_BIN / "ansible"), "vm", *INVENTORY, "--become", "-m", module, "-a", json.dumps(options)]
    env = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "MOLECULE_PROJECT_DIRECTORY": str(CHECKOUT)}
    return run(command, env=env, timeout=400)


def minikube(**options: Any) -> dict[str, Any]:
    """Run the module minikube on the VM as the role does, but for these options, and return its result."""
    return on_vm("slipway.cloud.minikube", {**AS_THE_ROLE, **options}).result


def shell(command: str) -> str:
    """Run a shell command on the VM and return what it says; of such modules Ansible shows the output alone."""
    answer = on_vm("ansible.builtin.shell", {"cmd": command})
    assert answer.code == 0, answer.output
    return answer.output.partition(">>\n")[2].strip()


def test_same_flags_change_nothing() -> None:
    assert minikube()["actions"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"addons": ["ingres"]}, "minikube has no add-on ingres (minikube_addons); it has: "),
        ({"driver": "docker"}, "The driver docker refuses root. Name another user in minikube_user"),
        ({"seeds": {"/etc/hostname": "0" * 64}}, "/etc/hostname has the sha256 "),
    ],
    ids=["unknown add-on", "docker as root", "wrong checksum"],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    answer = minikube(**options)
    assert answer["msg"].startswith(message)
    assert (answer["changed"], "exception" in answer) == (False, False)


def test_nothing_stays_of_a_wrong_seed() -> None:
    assert "hostname" not in shell("find /root/.minikube/cache")


def test_changed_flags_restart() -> None:
    changed = {"extra_config": ["apiserver.v=2"]}
    assert minikube(**changed)["actions"] == ["start"]
    assert minikube(**changed)["actions"] == []


def test_power_off_and_on() -> None:
    for state in ("poweroff", "started"):
        assert playbook("vms", {"vm_set": "m", "vm_state": state}).code == 0
    assert minikube(extra_config=["apiserver.v=2"])["actions"] == []


def test_stopped_is_stopped_after_the_next_start_too() -> None:
    assert minikube(state="stopped")["actions"] == ["stop", "systemctl disable kubelet"]
    assert minikube(state="stopped")["actions"] == []
    assert minikube()["actions"] == ["start", "systemctl enable kubelet"]


def test_absent_leaves_nothing() -> None:
    assert minikube(state="absent")["actions"][0] == "delete"
    assert minikube(state="absent")["actions"] == []
    left = "ls /etc/cni/net.d; grep minikube /etc/hosts; systemctl list-unit-files --quiet 'kubelet*'"
    assert shell(f"({left}) 2>/dev/null; true") == ""


def test_port_that_is_taken() -> None:
    shell("systemd-run --unit=taken python3 -m http.server 8443")
    answer = minikube()
    assert answer["msg"].startswith("Port 8443 is in use, and the API needs it: end what listens there")
    assert answer["actions"] == []
