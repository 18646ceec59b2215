# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which kubeconfig is used, and of what is wrong with one. Nothing is sent."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Connection, connect, kubeconfig_path
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ConfigurationError

if t.TYPE_CHECKING:
    from pathlib import Path

BOTH = {"K8S_AUTH_KUBECONFIG": "/ansible", "KUBECONFIG": "/env"}
GOOD = """
current-context: one
clusters: [{name: c, cluster: {server: "https://example.invalid:6443"}}]
users:
  - {name: u, user: {token: t}}
  - {name: p, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: %s}}}
contexts:
  - {name: one, context: {cluster: c, user: u}}
  - {name: two, context: {cluster: c, user: u, namespace: clusters}}
  - {name: plugin, context: {cluster: c, user: p}}
"""


@pytest.mark.parametrize(
    ("option", "environ", "default", "expected"),
    [
        ("/option", BOTH, True, "/option"),
        (None, BOTH, True, "/ansible"),
        (None, {"KUBECONFIG": "/env"}, True, "/env"),
        (None, {}, True, "{home}/.kube/config"),
        (None, {}, False, None),
    ],
)
def test_lookup(
    option: str | None,
    environ: dict[str, str],
    default: bool,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if default:
        (tmp_path / ".kube").mkdir()
        (tmp_path / ".kube" / "config").touch()
    assert kubeconfig_path(option, environ) == (expected and expected.format(home=tmp_path))


@pytest.mark.parametrize(
    ("connection", "namespace", "origin"),
    [
        ({}, "default", "context one of "),
        ({"context": "two"}, "clusters", "context two of "),
        ({"context": "two", "namespace": "mine"}, "mine", "context two of "),
    ],
)
def test_context(connection: dict[str, str], namespace: str, origin: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(GOOD % "none")
    with connect(Connection(kubeconfig=str(path), **connection)) as client:  # type: ignore[arg-type]
        assert (client.server, client.namespace) == ("https://example.invalid:6443", namespace)
        assert client.origin == f"{origin}{path}"


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        (None, None, "config does not exist; name another"),
        ("", None, "cannot be used"),
        ("a: [", None, "cannot be used"),
        ("- just\n- a list", None, "cannot be used"),
        (GOOD % "none", "three", "has no context 'three'; known contexts: one, plugin, two"),
        ("contexts: []", None, "has no current context; known contexts: none"),
        (GOOD % "/nonexistent/plugin", "plugin", "Cannot log in by context plugin"),
    ],
)
def test_bad_kubeconfig(text: str | None, context: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        connect(Connection(kubeconfig=str(path), context=context))


def test_no_kubeconfig_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*BOTH, "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="No kubeconfig found: give the option kubeconfig"):
        connect()
