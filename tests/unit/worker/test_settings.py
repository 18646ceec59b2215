"""What the worker reads from its environment, and what it says of an environment that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from slipway_worker.settings import VARIABLES, Settings, from_environ

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError

LEAST = {"SLIPWAY_NAMESPACES": "clusters"}


def test_what_is_not_set_has_a_default() -> None:
    assert from_environ(LEAST) == Settings(
        namespaces=("clusters",),
        image="registry.k8s.io/pause:3.10.2",
        node_selector={"slipway.dev/clusters": "allowed"},
        max_replicas=1000,
        max_deadline=900.0,
        listen="[::]:50051",
        health_listen="[::]:50052",
        metrics_port=9090,
        tls_dir=Path("/etc/slipway/tls"),
        tokens_file=None,
        drain=20.0,
        inactivity=70.0,
        threads=16,
    )


def test_each_variable_is_read() -> None:
    environ = {
        "SLIPWAY_NAMESPACES": " clusters, team-a ,team-b,",
        "SLIPWAY_IMAGE": "registry.local/app:1",
        "SLIPWAY_NODE_SELECTOR": "{}",
        "SLIPWAY_MAX_REPLICAS": "30",
        "SLIPWAY_MAX_DEADLINE": "60.5",
        "SLIPWAY_LISTEN": "127.0.0.1:0",
        "SLIPWAY_HEALTH_LISTEN": "localhost:8080",
        "SLIPWAY_METRICS_PORT": "9100",
        "SLIPWAY_TLS_DIR": "/tls",
        "SLIPWAY_TOKENS_FILE": "/tokens/tokens.json",
        "SLIPWAY_DRAIN": "0",
        "SLIPWAY_INACTIVITY": "5",
        "SLIPWAY_THREADS": "4",
        "OTHERS": "are none of its business",
    }
    assert from_environ(environ) == Settings(
        namespaces=("clusters", "team-a", "team-b"),
        image="registry.local/app:1",
        node_selector={},
        max_replicas=30,
        max_deadline=60.5,
        listen="127.0.0.1:0",
        health_listen="localhost:8080",
        metrics_port=9100,
        tls_dir=Path("/tls"),
        tokens_file=Path("/tokens/tokens.json"),
        drain=0.0,
        inactivity=5.0,
        threads=4,
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("NAMESPACES", ",", "name at least one namespace"),
        ("NAMESPACES", "a,Team", "namespace 'Team' is no DNS label"),
        ("NAMESPACES", "a,b,a", "namespace 'a' is given 2 times"),
        ("IMAGE", "two words", "no image reference"),
        ("NODE_SELECTOR", "a=b", "it is no JSON"),
        ("NODE_SELECTOR", '["a"]', "no object of strings"),
        ("NODE_SELECTOR", '{"a": 1}', "no object of strings"),
        ("NODE_SELECTOR", '{"a b": "c"}', "node selector key 'a b'"),
        ("MAX_REPLICAS", "-1", "a whole number from 0 to"),
        ("MAX_REPLICAS", "٣", "a whole number from 0 to"),
        ("MAX_DEADLINE", "0", "give seconds from 1 to"),
        ("MAX_DEADLINE", "nan", "give seconds from 1 to"),
        ("MAX_DEADLINE", "inf", "give seconds from 1 to"),
        ("LISTEN", "50051", "give HOST:PORT"),
        ("LISTEN", ":50051", "give HOST:PORT"),
        ("LISTEN", "::1:50051", "give HOST:PORT"),
        ("HEALTH_LISTEN", "[::]:65536", "give a port"),
        ("METRICS_PORT", "http", "give a port"),
        ("DRAIN", "20s", "give seconds from 0 to"),
        ("INACTIVITY", "0.5", "give seconds from 1 to"),
        ("THREADS", "0", "a whole number from 1 to"),
    ],
)
def test_what_is_wrong_is_said(name: str, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_environ({**LEAST, f"SLIPWAY_{name}": text})
    (said,) = error.value.problems
    assert said.startswith(f"SLIPWAY_{name} is {text!r}: ")
    assert problem in said


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        from_environ({"SLIPWAY_NAMESPACES": " ", "SLIPWAY_DRAIN": "soon", "SLIPWAY_THREADS": "many"})
    assert [problem.split()[0] for problem in error.value.problems] == [
        "SLIPWAY_NAMESPACES",
        "SLIPWAY_DRAIN",
        "SLIPWAY_THREADS",
    ]


def test_the_table_is_that_of_the_settings() -> None:
    assert {key: variable.name for key, variable in VARIABLES.items()} == {
        key: f"SLIPWAY_{key.upper()}" for key in Settings.__slots__
    }
