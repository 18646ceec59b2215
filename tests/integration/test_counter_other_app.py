"""An unchanged app in the counter's place: told by its own variables, it counts on through a hand-over."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.support.api_server import free_ports
from tests.support.counter import Forward, Redis, a_redis
from tests.support.paths import CHECKOUT
from tests.support.processes import beside
from tests.support.role_templates import of, render
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def environment(redis: Redis, **variables: Any) -> dict[str, str]:
    """The variables of the container, as the kubelet fills them in from the Secret redis."""
    documents = render("counter", "counter", counter_image="app", redis_user="default", **variables)
    [container] = of("Deployment", documents)["spec"]["template"]["spec"]["containers"]
    return {
        each["name"]: each.get("value")
        or (redis.credentials / each["valueFrom"]["secretKeyRef"]["key"]).read_text(encoding="utf-8")
        for each in container["env"]
    }


def asked(port: int, path: str) -> Any:
    """What the app answers; nothing if that is an error."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


def test_it_counts_on(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with (
        a_redis(tmp_path / "set", nodes=2, sentinels=1, user="default") as redis,
        closing(Forward(redis.master.port)) as forward,
    ):
        told = environment(redis, counter_environment={"PORT": port, "REDIS_DB": 0})
        assert (told["REDIS_HOST"], told["REDIS_PORT"]) == ("redis-master", "6379")
        there = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(forward.port)}  # where the Service leads to
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **told, **there}
        with beside([sys.executable, "-m", "tests.support.other_app"], log=tmp_path / "log", env=env):
            eventually(lambda: asked(port, "/ping"), within=10, what="the app has its Redis")
            assert [asked(port, "/visits")["count"] for _ in range(3)] == [1, 2, 3]
            before = redis.master
            forward.target = redis.hand_over().port
            before.ask("CLIENT", "KILL", "TYPE", "normal")  # as the agent does, so that clients ask the Service anew
            assert eventually(lambda: asked(port, "/visits"), within=10, what="it counts on") == {"count": 4}
