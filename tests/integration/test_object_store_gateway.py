"""The store as the role object_store runs it: its arguments and its user, on directories instead of a volume."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.support.api_server import free_ports
from tests.support.paths import BUNDLE_BIN
from tests.support.role_templates import of, render
from tests.support.stores import Bucket
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POD = of("Deployment", render("object_store", "stores", _object_store_version="7"))["spec"]["template"]["spec"]
USER = POD["securityContext"]["runAsUser"]
WRITERS = 16


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directories of a store, which are its user's, and its program, where that user may go."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent.name.startswith(("popen-", "pytest-", "test_")):
            parent.chmod(0o755)
    for name in ("buckets", "versions"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, USER, USER)
    shutil.copy(os.environ.get("SLIPWAY_TEST_VERSITYGW") or BUNDLE_BIN / "versitygw", tmp_path / "versitygw")
    return tmp_path


def healthy(url: str) -> bool:
    """Whether the probe of the pod is answered."""
    try:
        return bool(urlopen(url, timeout=2).status == 200)
    except OSError:
        return False


@contextmanager
def store(home: Path, access: str, secret: str) -> Iterator[Bucket]:
    """A client of the store, whose credentials are these."""
    [container] = POD["containers"]
    [port] = free_ports(1)
    arguments = [each.replace("/data/", f"{home}/").replace(":7070", f"127.0.0.1:{port}") for each in container["args"]]
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--pdeathsig=KILL"]
    names = [each["name"] for each in container["env"]]
    environment = dict(zip(names, (access, secret), strict=True))
    with subprocess.Popen(
        [*user, str(home / "versitygw"), *arguments], env=environment, stdin=subprocess.DEVNULL, cwd="/"
    ) as process:
        try:
            health = f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}"
            eventually(lambda: healthy(health), within=20, what="the store answers")
            yield Bucket(port, "pages", access, secret)
        finally:
            process.kill()


def put(bucket: Bucket, key: str, body: bytes, **conditions: str) -> int:
    """Write an object, on conditions as If_Match; return the status."""
    path = f"/{bucket.name}/{key}"
    headers = bucket._signed("PUT", path, "", body)  # conditions need not be signed
    connection = http.client.HTTPConnection("127.0.0.1", bucket.port, timeout=10)
    connection.request("PUT", path, body, {**headers, **{k.replace("_", "-"): v for k, v in conditions.items()}})
    status = connection.getresponse().status
    connection.close()
    return status


def test_of_many_writers_on_a_condition_one_wins(home: Path) -> None:
    with store(home, "ada", "open sesame") as bucket, ThreadPoolExecutor(WRITERS) as pool:
        bucket.create()
        bodies = [f"writer {number}".encode() for number in range(WRITERS)]
        for key in ("a/b", "c"):
            created = pool.map(lambda body, key=key: put(bucket, key, body, If_None_Match="*"), bodies)
            assert sorted(created) == [200] + [412] * (WRITERS - 1)
            tag = bucket.ask("HEAD", key).headers["ETag"]
            changed = pool.map(lambda body, key=key, tag=tag: put(bucket, key, body + b"!", If_Match=tag), bodies)
            assert sorted(changed) == [200] + [412] * (WRITERS - 1)
        assert bucket.anonymous("c") == 403


def test_other_credentials_find_what_is_there(home: Path) -> None:
    with store(home, "ada", "open sesame") as bucket:
        bucket.create()
        assert put(bucket, "page", b"old") == 200
    with store(home, "grace", "another word") as bucket:
        assert bucket.read("page") == b"old"
        assert put(bucket, "page", b"new") == 200
        assert bucket.ask("PUT", query={"policy": ""}, body=POLICY).status in (200, 204)
        assert bucket.anonymous("page") == 200


POLICY = b"""{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::pages/page"]}
]}"""
