"""What the agent is told, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from slipway_redis import __main__ as program
from slipway_redis.settings import Settings, from_environ

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError
from tests.unit.redis.given import NODES, environment

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_told(tmp_path: Path) -> None:
    settings = from_environ(environment(tmp_path), "data")
    assert isinstance(settings, Settings)
    assert (settings.pod, settings.port, settings.cold_start_wait, settings.start) == ("redis-0", 9121, 120.0, "safe")
    assert (settings.handover, settings.bootstrap, settings.force_master) == (True, False, "")
    assert settings.address == "127.0.0.1"
    assert settings.secret("agent") == 'of "agent"'
    assert settings.secret("version") == ""
    cluster = settings.cluster()
    assert [each.name for each in cluster.data] == ["redis-0", "redis-1", "redis-2"]
    assert (cluster.majority, cluster.enough, cluster.quorum, cluster.master_name) == (2, 2, 2, "m")
    assert (cluster.at("10.0.0.2", 6379), cluster.at("10.9.9.9", 1)) == ("redis-1", "10.9.9.9:1")


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no pod": ({"SLIPWAY_POD": ""}, "SLIPWAY_POD is not set; it is the name of this pod"),
    "a pod that is no node": (
        {"SLIPWAY_POD": "redis-9"},
        "SLIPWAY_POD is 'redis-9', which is not among the data of SLIPWAY_NODES_FILE",
    ),
    "a Sentinel's pod": (
        {"SLIPWAY_POD": "redis-sentinel-0"},
        "SLIPWAY_POD is 'redis-sentinel-0', which is not among the data of SLIPWAY_NODES_FILE",
    ),
    "no master of ours": (
        {"SLIPWAY_FORCE_MASTER": "redis-7"},
        "SLIPWAY_FORCE_MASTER is 'redis-7': give one of redis-0, redis-1, redis-2, or none",
    ),
    "no switch": ({"SLIPWAY_HANDOVER": "yes"}, "SLIPWAY_HANDOVER is 'yes': give true or false"),
    "no start": ({"SLIPWAY_START": "any"}, "SLIPWAY_START is 'any': give one of safe, first"),
    "no port": ({"SLIPWAY_PORT": "x"}, "SLIPWAY_PORT is 'x': give a port from 0 (any that is free) to 65535"),
    "no file": ({"SLIPWAY_NODES_FILE": "/none"}, "SLIPWAY_NODES_FILE is '/none': No such file or directory"),
    "no secrets": (
        {"SLIPWAY_SECRETS_DIR": "/none"},
        "SLIPWAY_SECRETS_DIR is '/none': it lacks users.acl, sentinel.acl, agent, replica, sentinel",
    ),
    "two": (
        {"SLIPWAY_HANDOVER": "no", "SLIPWAY_NAMESPACE": "A B"},
        (
            "SLIPWAY_NAMESPACE is 'A B': it is no name of a Kubernetes object: give lower case letters, digits and "
            "hyphens; SLIPWAY_HANDOVER is 'no': give true or false"
        ),
    ),
}


@pytest.mark.parametrize("row", WRONG)
def test_what_is_refused(tmp_path: Path, row: str) -> None:
    changed, expected = WRONG[row]
    with pytest.raises(SettingsError) as caught:
        from_environ(environment(tmp_path) | changed, "data")
    assert str(caught.value) == expected


NO_NODES: dict[str, tuple[Any, str]] = {
    "no document": ([], "it is no object with data, sentinels, master_name and quorum"),
    "no quorum": ({key: each for key, each in NODES.items() if key != "quorum"}, "it lacks 'quorum'"),
    "a quorum above": (NODES | {"quorum": 4}, "its quorum is 4: give 1 to 3, the number of Sentinels"),
    "no data": (
        NODES | {"data": []},
        "give at least one node of data and one of sentinels, each with a name of its own",
    ),
    "a name twice": (
        NODES | {"data": NODES["data"] + NODES["data"][:1]},
        "give at least one node of data and one of sentinels, each with a name of its own",
    ),
}


@pytest.mark.parametrize("row", NO_NODES)
def test_nodes_that_are_refused(tmp_path: Path, row: str) -> None:
    nodes, expected = NO_NODES[row]
    with pytest.raises(SettingsError) as caught:
        from_environ(environment(tmp_path, nodes), "data")
    assert str(caught.value) == f"SLIPWAY_NODES_FILE is '{tmp_path / 'nodes.json'}': {expected}"


def test_the_program_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (environment(tmp_path) | {"SLIPWAY_POD": "x"}).items():
        monkeypatch.setenv(name, value)
    assert program.main(["data"]) == 2
    said = capsys.readouterr().err
    assert said == "slipway_redis: SLIPWAY_POD is 'x', which is not among the data of SLIPWAY_NODES_FILE\n"


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    said = capsys.readouterr().out
    assert "SLIPWAY_COLD_START_WAIT" in said
    assert "{data,sentinel}" in said
