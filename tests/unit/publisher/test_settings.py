"""What the publisher reads from its environment, and what it says of an environment that is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from slipway_publisher.settings import Settings, Target, from_environ

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError

SEED = {
    "BUCKET_URL": "https://nyc3.example",
    "BUCKET_NAME": "podlister",
    "BUCKET_KEY": "key",
    "BUCKET_SECRET": "hidden",
    "SERVICE_NAME": "nginx-pool",
    "SLIPWAY_NAMESPACE": "slipway",
}
ROW: dict[str, Any] = {"name": "a", "url": "http://a:7070", "bucket": "abc", "key": "key", "secret": "hidden"}


def test_the_variables_of_the_seed_and_defaults() -> None:
    target = Target(
        name="bucket",
        url="https://nyc3.example",
        bucket="podlister",
        key="key",
        secret="hidden",
        privilege="public-read",
    )
    assert from_environ(SEED) == Settings(
        targets=(target,),
        template=Path("/etc/slipway/template/index.template"),
        output="index.html",
        service="nginx-pool",
        namespace="slipway",
        lease="publisher",
        identity=socket.gethostname(),
        quiet=0.3,
        longest=2.0,
        history_count=1000,
        history_days=30.0,
        lease_seconds=9,
        inactivity=70.0,
        relist=300.0,
        port=9090,
    )


def test_the_older_names_of_the_seed() -> None:
    older = {"BUCKET_KEY": "SPACES_KEY", "BUCKET_SECRET": "SPACES_SECRET"}
    environ = {older.get(name, name): value for name, value in SEED.items()}
    assert from_environ(environ).targets == from_environ(SEED).targets
    assert from_environ({**environ, "BUCKET_KEY": "other"}).targets[0].key == "other"


def test_targets_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    more = {"name": "b", "create": True, "region": "eu-west-1", "privilege": "private"}
    path.write_text(json.dumps([ROW, {**ROW, **more}]))
    one, other = from_environ({**SEED, "SLIPWAY_TARGETS_FILE": str(path)}).targets
    assert (one.privilege, one.region, one.create) == ("", "us-east-1", False)
    assert (other.privilege, other.region, other.create) == ("private", "eu-west-1", True)
    assert "hidden" not in repr(one)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("nothing", "is no JSON"),
        ("[]", "at least one target"),
        ("{}", "at least one target"),
        ("[3]", "at least one target"),
        (json.dumps([{"name": "a"}]), "target 'a' lacks url, bucket, key, secret"),
        (json.dumps([{**ROW, "colour": "red"}]), "target 'a' has unknown fields: colour"),
        (json.dumps([{**ROW, "create": "yes"}]), "target 'a' has fields of a wrong type: create"),
        (json.dumps([{**ROW, "url": "a:7070"}]), "its url is 'a:7070'"),
        (json.dumps([{**ROW, "url": "http://a:99999"}]), "its url is"),
        (json.dumps([{**ROW, "bucket": "A B"}]), "no name of a bucket"),
        (json.dumps([{**ROW, "privilege": "all"}]), "its privilege is 'all'"),
        (json.dumps([ROW, ROW]), "target 'a' is given twice"),
    ],
)
def test_targets_that_are_wrong(tmp_path: Path, document: str, problem: str) -> None:
    path = tmp_path / "targets.json"
    path.write_text(document)
    with pytest.raises(SettingsError) as refused:
        from_environ({**SEED, "SLIPWAY_TARGETS_FILE": str(path)})
    assert problem in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SERVICE_NAME", "", "SERVICE_NAME is not set; it is the Service whose pods are listed"),
        ("SERVICE_NAME", "Ngin X", "no name of a Kubernetes object"),
        ("SLIPWAY_NAMESPACE", "", "SLIPWAY_NAMESPACE is not set"),
        ("BUCKET_URL", "", "BUCKET_URL not set: set it, or name all targets by SLIPWAY_TARGETS_FILE"),
        ("BUCKET_SECRET", "", "BUCKET_SECRET (or SPACES_SECRET) not set"),
        ("BUCKET_PRIVILEGE", "everybody", "its privilege is 'everybody'"),
        ("TEMPLATE_NAME", "../secret", "without a directory"),
        ("TEMPLATE_OUTPUT", "index.json", "neither index.json nor of the history"),
        ("TEMPLATE_OUTPUT", "history/x", "neither index.json nor of the history"),
        ("SLIPWAY_QUIET", "-1", "give seconds from 0 to 60"),
        ("SLIPWAY_HISTORY_DAYS", "nan", "give a number from 0.001 to 3650"),
        ("SLIPWAY_LONGEST", "0.1", "SLIPWAY_LONGEST is less than SLIPWAY_QUIET"),
        ("SLIPWAY_HISTORY_COUNT", "0", "give a whole number from 1"),
        ("SLIPWAY_LEASE_SECONDS", "9.5", "give a whole number from 3"),
        ("SLIPWAY_PORT", "70000", "give a port from 0"),
        ("SLIPWAY_TARGETS_FILE", "/nowhere", "it cannot be read"),
    ],
)
def test_what_is_wrong(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_environ({**SEED, name: value})
    assert [problem in each for each in refused.value.problems] == [True]
