"""What the counter reads from its environment, and what it says of an environment that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from slipway_counter.settings import VARIABLES, Address, Settings, address, from_environ

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError

PLAIN = {"COUNTER_REDIS": "redis-master:6379"}
SENTINELS = {"COUNTER_SENTINELS": "a:26379, b:26379", "COUNTER_MASTER_NAME": "main"}


def test_defaults() -> None:
    assert from_environ(PLAIN) == Settings(
        nodes_file=None,
        sentinels=(),
        master_name="",
        redis=Address("redis-master", 6379),
        credentials=None,
        sentinel_auth=True,
        key="counter",
        key_seconds=3600,
        wait_replicas=1,
        wait_ms=1000,
        patience=5.0,
        timeout=3.0,
        connect_timeout=1.0,
        ask_every=0.25,
        connections=64,
        port=8080,
        metrics_port=9090,
        linger=5.0,
    )


def test_sentinels() -> None:
    found = from_environ({**SENTINELS, "COUNTER_SENTINEL_AUTH": "no"})
    assert found.sentinels == (Address("a", 26379), Address("b", 26379))
    assert (found.master_name, found.sentinel_auth) == ("main", False)
    assert from_environ({"COUNTER_NODES_FILE": "/nodes.json"}).nodes_file == Path("/nodes.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis-0.redis.svc:6379", ("redis-0.redis.svc", 6379)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[fd00::1]:6379", ("fd00::1", 6379)),
        ("fd00::1:6379", None),
        ("redis", None),
        (":6379", None),
        ("redis:0", None),
        ("redis:99999", None),
        ("redis:6379/0", None),
        ("redis://redis:6379", None),
    ],
)
def test_addresses(text: str, expected: tuple[str, int] | None) -> None:
    if expected:
        assert address(text) == expected
        assert str(address(text)) == text
    else:
        with pytest.raises(ValueError, match="give HOST:PORT"):
            address(text)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "none of COUNTER_NODES_FILE, COUNTER_SENTINELS, COUNTER_REDIS is set"),
        ({**PLAIN, **SENTINELS}, "COUNTER_REDIS and COUNTER_SENTINELS are set: give one of them"),
        ({"COUNTER_SENTINELS": "a:1"}, "COUNTER_MASTER_NAME is not set"),
        ({**SENTINELS, "COUNTER_SENTINELS": "a:1,a:1"}, "give each of them once"),
        ({**SENTINELS, "COUNTER_SENTINELS": "a"}, "COUNTER_SENTINELS is 'a': give HOST:PORT"),
        ({**PLAIN, "COUNTER_WAIT_REPLICAS": "-1"}, "give a whole number from 0 to 100"),
        ({**PLAIN, "COUNTER_WAIT_MS": "0"}, "give a whole number from 1"),
        ({**PLAIN, "COUNTER_PATIENCE": "nan"}, "give seconds from 0 to 60"),
        ({**PLAIN, "COUNTER_SENTINEL_AUTH": "maybe"}, "give true or false"),
        ({**PLAIN, "COUNTER_PORT": "http"}, "give a port from 0"),
    ],
)
def test_what_is_wrong(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_environ(environ)
    assert [problem in each for each in refused.value.problems] == [True]


def test_each_variable_has_a_name_of_its_own() -> None:
    assert len({each.name for each in VARIABLES.values()}) == len(VARIABLES)
    assert all(each.name.startswith("COUNTER_") for each in VARIABLES.values())
