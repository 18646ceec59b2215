"""Users and passwords change under load: no command fails, nobody is disconnected, and the old ones are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.redis_set import PASSWORDS, RedisSet, Writers, client

if TYPE_CHECKING:
    from pathlib import Path

NEW = {name: f"new of {name} 9Zk" for name in PASSWORDS}


def applied(redis_set: RedisSet, version: str) -> None:
    for pod in redis_set.pods:
        answer = pod.ctl("applied", "--version", version, "--timeout", "30")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout) == {"version": version}


def test_passwords_are_replaced_under_load(tmp_path: Path) -> None:
    with RedisSet(tmp_path / "set") as three:
        three.start(SLIPWAY_BOOTSTRAP="true")
        master = three.settled()
        with Writers(three, acks=1) as writers:
            writers.reach(50)
            for version, accepted in enumerate(([PASSWORDS, NEW], [NEW, PASSWORDS], [NEW]), start=2):
                three.write_secrets(accepted, version=str(version))
                applied(three, str(version))
                writers.reach(50)
                assert not writers.failures
            assert three.named() == ""  # asked by the old password
        for pod in three.pods:
            with pytest.raises(redis.AuthenticationError):
                client(pod.ip, pod.port, "app", PASSWORDS["app"]).ping()
            assert client(pod.ip, pod.port, "app", NEW["app"]).ping()
        old = json.loads(master.ctl("clients", "--user", "app", "--older-than", "-1").stdout)["clients"]
        assert all(each["addr"] for each in old)
        # The nodes find each other by the new ones: one that starts again, and a failover.
        three.data[2].kill()
        three.data[2].start()
        three.passwords.update(NEW)
        three.settled()
        master.kill()
        new = three.settled(pods=three.without(master))
        assert not writers.lost(new)


def test_no_password_is_in_a_command_line_an_environment_or_a_log(tmp_path: Path) -> None:
    with RedisSet(tmp_path / "set") as three:
        three.start(SLIPWAY_BOOTSTRAP="true")
        three.settled()
        three.data[0].terminate()
        three.data[0].ended()
        seen = "".join(pod.log for pod in three.pods)
        for pod in three.pods:
            if pod.running:
                for pid in (pod.pid, pod.child):
                    for name in ("cmdline", "environ"):
                        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
                            seen += file.read()
                seen += json.dumps(pod.state()) + pod.get("/metrics")[1]
        assert not [name for name, password in PASSWORDS.items() if password in seen]
