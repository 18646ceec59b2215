"""What the roles write on a machine of either kind."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.slipway.cloud.plugins.module_utils._host import Observations, settings
from tests.support.paths import CHECKOUT

UBUNTU = Observations(
    hostname="node1",
    address="192.0.2.11",
    os_id="ubuntu",
    os_version="24.04",
    machine="x86_64",
    kernel="6.8.0-71-generic",
    virtualization="kvm",
    cpus=2,
    memory_bytes=4 << 30,
    swap=False,
    cgroup_version=2,
    bounding_set=0x1FFFFFFFFFF,
    nameservers=["127.0.0.53"],
    resolved_nameservers=["192.0.2.1"],
)
TEST_BED = replace(
    UBUNTU,
    virtualization="systemd-nspawn",
    cgroup_version=1,
    bounding_set=0x1FFFEFFFFFF,
    nameservers=[],
    resolved_nameservers=[],
    kernel_modules_available=False,
)


def render(role: str, name: str, seen: Observations, **variables: Any) -> str:
    """Return a template as Ansible would write it, with the role's defaults."""
    home = CHECKOUT / "roles" / role
    environment = Environment(
        loader=FileSystemLoader(home / "templates"), trim_blocks=True, undefined=StrictUndefined, autoescape=False
    )
    environment.filters["to_json"] = json.dumps
    host = {**asdict(seen), "settings": asdict(settings(seen))}
    given = {
        **yaml.safe_load((home / "defaults/main.yml").read_text()),
        f"_{role}_settings": host["settings"],
        f"_{role}_host": host,
        "groups": {"kubeadm": ["node1", "node2", "node3"]},
        "inventory_hostname": "node1",
        **variables,
    }
    return environment.get_template(name).render(given)


def documents(seen: Observations, name: str, **variables: Any) -> dict[str, Any]:
    """Return the YAML documents of a template of the role kubeadm by their kinds."""
    text = render(
        "kubeadm",
        name,
        seen,
        **{
            "_kubeadm_control_plane": "node1",
            "_kubeadm_endpoint": "192.0.2.11:6443",
            "_kubeadm_api": "192.0.2.11:6443",
            "kubeadm_dns_forward": bool(settings(seen).dns_upstreams),
            **variables,
        },
    )
    return {f"{document['kind']}": document for document in yaml.safe_load_all(text) if document}


@pytest.mark.parametrize(
    ("seen", "proxy"),
    [
        (UBUNTU, {"conntrack": {"tcpBeLiberal": True}}),
        (TEST_BED, {"oomScoreAdj": 0, "conntrack": {"tcpBeLiberal": True, "maxPerCore": 0, "min": 0}}),
    ],
    ids=["Ubuntu", "test bed"],
)
def test_init(seen: Observations, proxy: dict[str, Any]) -> None:
    found = documents(seen, "kubeadm/init.yaml.j2")
    assert list(found) == ["InitConfiguration", "ClusterConfiguration", "KubeProxyConfiguration"]
    assert found["InitConfiguration"]["nodeRegistration"]["name"] == "node1"
    assert "taints" not in found["InitConfiguration"]["nodeRegistration"]
    assert {"name": "leader-elect-lease-duration", "value": "15s"} in found["ClusterConfiguration"]["scheduler"][
        "extraArgs"
    ]
    assert {key: found["KubeProxyConfiguration"][key] for key in proxy} == proxy
    assert set(found["KubeProxyConfiguration"]) == {"apiVersion", "kind", "mode", *proxy}


def test_no_taint() -> None:
    found = documents(UBUNTU, "kubeadm/init.yaml.j2", kubeadm_control_plane_taint=False)
    assert found["InitConfiguration"]["nodeRegistration"]["taints"] == []


def test_controller_manager_gets_the_site_s_flags() -> None:
    flags = {"horizontal-pod-autoscaler-sync-period": "2s", "concurrent-deployment-syncs": 20}
    found = documents(UBUNTU, "kubeadm/init.yaml.j2", kubeadm_controller_manager_args=flags)
    given = found["ClusterConfiguration"]["controllerManager"]["extraArgs"]
    assert [each for each in given if each["name"] in flags] == [
        {"name": name, "value": str(value)} for name, value in flags.items()
    ]


def test_join() -> None:
    printed = "kubeadm join 192.0.2.11:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:00"
    found = documents(UBUNTU, "kubeadm/join.yaml.j2", _kubeadm_token={"stdout": printed})["JoinConfiguration"]
    assert found["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "192.0.2.11:6443",
        "token": "abcdef.0123456789abcdef",
        "caCertHashes": ["sha256:00"],
    }


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (UBUNTU, {"cgroupDriver": "systemd", "failCgroupV1": True, "resolvConf": "/run/systemd/resolve/resolv.conf"}),
        (TEST_BED, {"cgroupDriver": "cgroupfs", "failCgroupV1": False, "resolvConf": "/etc/resolv.conf"}),
    ],
    ids=["Ubuntu", "test bed"],
)
def test_kubelet(seen: Observations, expected: dict[str, Any]) -> None:
    extra = {"evictionHard": {"memory.available": "100Mi"}}
    found = documents(seen, "kubelet.yaml.j2", kubeadm_kubelet_config=extra)["KubeletConfiguration"]
    assert {key: found[key] for key in [*expected, *extra]} == {**expected, **extra}


@pytest.mark.parametrize(("seen", "forwards"), [(UBUNTU, True), (TEST_BED, False)])
def test_coredns_asks_only_nameservers_that_are_there(seen: Observations, forwards: bool) -> None:
    corefile = documents(seen, "manifests/coredns.yaml.j2")["ConfigMap"]["data"]["Corefile"]
    assert ("forward . /etc/resolv.conf" in corefile) is forwards


def test_pod_network_is_applied() -> None:
    assert documents(UBUNTU, "manifests.yaml.j2")["DaemonSet"]["metadata"]["name"] == "kube-flannel-ds"


@pytest.mark.parametrize(("seen", "unit"), [(UBUNTU, "LimitNPROC=infinity"), (TEST_BED, "OOMScoreAdjust=0")])
def test_containerd(seen: Observations, unit: str) -> None:
    assert unit in render("host", "containerd/containerd.service.j2", seen).splitlines()


@pytest.mark.parametrize(("seen", "systemd"), [(UBUNTU, "true"), (TEST_BED, "false")])
def test_containerd_configuration(seen: Observations, systemd: str) -> None:
    text = render("host", "containerd/config.toml.j2", seen)
    assert [line.strip() for line in text.splitlines() if "SystemdCgroup" in line] == [f"SystemdCgroup = {systemd}"]
    assert 'imports = ["/etc/containerd/conf.d/*.toml"]' in text


def test_registries(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    registries = [
        {"registry": "registry.example:5000", "url": "https://registry.example:5000", "ca": str(authority)},
        {"registry": "docker.io", "url": "http://192.0.2.1:5000"},
    ]
    read = {"lookup": lambda _plugin, path, **_: Path(path).read_text()}
    files = yaml.safe_load(render("host", "registries.yml.j2", UBUNTU, host_registries=registries, **read))
    contents = {file["path"].removeprefix("/etc/containerd/certs.d/"): file["content"] for file in files}
    hosts = {path: tomllib.loads(content) for path, content in contents.items() if path.endswith("/hosts.toml")}
    capabilities = ["pull", "resolve"]
    ca = "/etc/containerd/certs.d/registry.example:5000/ca.crt"
    assert hosts == {
        "registry.example:5000/hosts.toml": {
            "server": "https://registry.example:5000",
            "host": {"https://registry.example:5000": {"capabilities": capabilities, "ca": ca}},
        },
        "docker.io/hosts.toml": {
            "server": "http://192.0.2.1:5000",
            "host": {"http://192.0.2.1:5000": {"capabilities": capabilities}},
        },
    }
    assert contents["registry.example:5000/ca.crt"] == authority.read_text()
