"""The table of tools and images says what its pins say."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support.paths import CHECKOUT

ROLE = CHECKOUT / "roles" / "bundle"
TABLE: dict[str, Any] = yaml.safe_load((ROLE / "vars/main.yml").read_text())
TOOLS: list[dict[str, Any]] = TABLE["_bundle_tools"]
IMAGES: list[dict[str, Any]] = TABLE["_bundle_images"]
MANIFESTS = [tool for tool in TOOLS if "manifests" in tool]
RELEASES = [(tool, file) for tool in TOOLS for file in tool.get("release", [])]

# The module whose version is the tool's, where more than one is required directly or the name does not say it.
MODULES = {
    "kubernetes": "k8s.io/kubernetes",
    "etcd": "go.etcd.io/etcd/server/v3",
    "coredns": "github.com/coredns/coredns",
    "containerd": "github.com/containerd/containerd/v2",
    "cni-plugins": "github.com/containernetworking/plugins",
    "flannel": "github.com/flannel-io/flannel",
    "cosign": "github.com/sigstore/cosign/v3",
    "local-path-provisioner": "github.com/rancher/local-path-provisioner",
    "metallb": "go.universe.tf/metallb",
    "metrics-server": "sigs.k8s.io/metrics-server",
    "versitygw": "github.com/versity/versitygw",
    "kwok": "sigs.k8s.io/kwok",
    "distribution": "github.com/distribution/distribution/v3",
    "argo-rollouts": "github.com/argoproj/argo-rollouts",
    "traefik": "github.com/traefik/traefik/v3",
}


def pins(tool: str) -> dict[str, str]:
    """Return a tool's required modules with their versions."""
    return dict(re.findall(r"^\s+(\S+) v(\S+)", (ROLE / "files" / tool / "go.mod").read_text(), re.MULTILINE))


BUILT = [tool for tool in TOOLS if tool.get("module", True)]


def test_every_module_file_has_a_row() -> None:
    assert sorted(MODULES) == sorted(tool["name"] for tool in BUILT)
    assert sorted(MODULES) == sorted(path.name for path in (ROLE / "files").iterdir())


@pytest.mark.parametrize("tool", BUILT, ids=lambda tool: tool["name"])
def test_version_is_the_pinned_one(tool: dict[str, Any]) -> None:
    assert tool["version"] == pins(tool["name"])[MODULES[tool["name"]]]
    stamped = re.findall(r"\d+\.\d+\.\d+", " ".join(tool.get("ldflags", [])))
    assert set(stamped) <= {tool["version"]}


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image["name"])
def test_no_tag_names_another_version_than_its_program(image: dict[str, Any]) -> None:
    versions = {tool["name"]: tool["version"] for tool in TOOLS}
    (pause,) = (program for tool in TOOLS for program in tool.get("c_programs", []) if program["name"] == "pause")
    name, _, tag = image["name"].rpartition("/")[2].partition(":")
    expected = {
        "pause": pause["flags"][0].removeprefix("-DVERSION=v"),
        "etcd": f"{versions['etcd']}-0",
        "coredns": f"v{versions['coredns']}",
        "flannel": f"v{versions['flannel']}",
        "local-path-provisioner": f"v{versions['local-path-provisioner']}",
        "controller": f"v{versions['metallb']}",
        "speaker": f"v{versions['metallb']}",
        "metrics-server": f"v{versions['metrics-server']}",
        "versitygw": f"v{versions['versitygw']}",
        "traefik": f"v{versions['traefik']}",
    }
    assert tag == expected.get(name, f"v{versions['kubernetes']}")


@pytest.mark.parametrize(("tool", "file"), RELEASES, ids=lambda row: row.get("url", row.get("name")))
def test_release_is_pinned_for_every_architecture(tool: dict[str, Any], file: dict[str, Any]) -> None:
    assert tool["version"] in file["sha256"]
    for hashes in file["sha256"].values():
        assert sorted(hashes) == ["amd64", "arm64"]
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in hashes.values())
    assert "{arch}" in file["url"]
    assert "{version}" in file["url"]
    assert file["checksum_url"].startswith(file["url"].rpartition("/")[0])


@pytest.mark.parametrize("tool", MANIFESTS, ids=lambda tool: tool["name"])
def test_manifests_are_of_the_module_that_gives_the_version(tool: dict[str, Any]) -> None:
    assert tool["manifests_module"] == MODULES[tool["name"]]
    assert tool["manifests_url"].endswith("/raw/v{version}")
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in tool["manifests"].values())


def test_no_hash_is_used_twice() -> None:
    hashes = [value for _, file in RELEASES for pair in file["sha256"].values() for value in pair.values()]
    hashes += [value for tool in MANIFESTS for value in tool["manifests"].values()]
    assert len(hashes) == len(set(hashes))
