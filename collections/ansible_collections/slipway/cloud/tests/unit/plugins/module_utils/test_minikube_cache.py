# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is put into minikube's cache: only what is as it should be."""

from __future__ import annotations

import hashlib
import platform
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._minikube import MinikubeError
from ansible_collections.slipway.cloud.plugins.module_utils._minikube_cache import plant

if t.TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"kubelet"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    path = tmp_path / "bundle" / "kubelet"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def cached(tmp_path: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.glob("linux/**/*") if path.is_file()
    }


def test_plants_once(seed: Path, tmp_path: Path) -> None:
    assert plant({str(seed): SHA256}, tmp_path, version="1.36.3", check_mode=True) == ["kubelet"]
    assert cached(tmp_path) == {}
    assert plant({str(seed): SHA256}, tmp_path, version="1.36.3", check_mode=False) == ["kubelet"]
    assert cached(tmp_path) == {"linux/arm64/v1.36.3/kubelet": CONTENT}
    assert (tmp_path / "linux/arm64/v1.36.3/kubelet").stat().st_mode & 0o777 == 0o755
    assert plant({str(seed): SHA256}, tmp_path, version="v1.36.3", check_mode=False) == []


def test_what_differs_in_the_cache_is_replaced(seed: Path, tmp_path: Path) -> None:
    plant({str(seed): SHA256}, tmp_path, version="1", check_mode=False)
    (tmp_path / "linux/arm64/v1/kubelet").write_bytes(b"kubelot")
    assert plant({str(seed): SHA256}, tmp_path, version="1", check_mode=False) == ["kubelet"]
    assert cached(tmp_path) == {"linux/arm64/v1/kubelet": CONTENT}


def test_nothing_stays_of_what_differs(seed: Path, tmp_path: Path) -> None:
    plant({str(seed): SHA256}, tmp_path, version="1", check_mode=False)
    (tmp_path / "linux/arm64/v1/kubelet").write_bytes(b"kubelot")
    seed.write_bytes(b"kubelet2")
    with pytest.raises(MinikubeError, match=f"kubelet has the sha256 [0-9a-f]+ instead of {SHA256}: it is damaged"):
        plant({str(seed): SHA256}, tmp_path, version="1", check_mode=False)
    assert cached(tmp_path) == {}


def test_unknown_architecture(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(MinikubeError, match="A riscv64 machine is not supported: use one of x86_64, aarch64"):
        plant({str(seed): SHA256}, tmp_path, version="1", check_mode=False)
