"""Users and passwords that change while a node runs: applied one by one, so that no client is disconnected.

ACL LOAD would disconnect every client of every user (Redis 7.0), also of those that stay as they are.
"""

from __future__ import annotations

import typing as t

from .files import users

if t.TYPE_CHECKING:
    import redis

    from .model import Cluster
    from .settings import Settings

_WATCHED = ("version", "users.acl", "sentinel.acl", "agent", "replica", "sentinel")


class Secrets:
    """What has been applied to the Redis or Sentinel that runs here."""

    def __init__(self, settings: Settings, acl: str) -> None:
        self._settings = settings
        self._acl = acl
        self._applied: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """What the file ``version`` said when all was applied."""
        return self._applied[0] if self._applied else ""

    def started(self) -> None:
        """Note that the process has just read the files."""
        self._applied = self._now()

    def apply(self, client: redis.Redis, extra: t.Callable[[redis.Redis], None]) -> bool:
        """Apply what has changed; return whether anything had. :raises redis.RedisError:"""
        now = self._now()
        if now == self._applied:
            return False
        wanted = users(self._settings.secret(self._acl))
        for name, rules in wanted.items():
            client.execute_command("ACL", "SETUSER", name, "reset", *rules)
        gone = {str(name) for name in client.acl_users()} - set(wanted) - {"default"}
        if gone and wanted:
            client.acl_deluser(*gone)
        extra(client)
        self._applied = now
        return True

    def of_data(self, client: redis.Redis) -> None:
        """Have a replica log in by the password that there is now."""
        client.config_set("masterauth", self._settings.secret("replica"))

    def of_sentinel(self, cluster: Cluster) -> t.Callable[[redis.Redis], None]:
        """Have a Sentinel log in to Redis, and to the others, by the password that there is now."""

        def apply(client: redis.Redis) -> None:
            password = self._settings.secret("sentinel")
            client.execute_command("SENTINEL", "SET", cluster.master_name, "auth-pass", password)
            client.execute_command("SENTINEL", "CONFIG", "SET", "sentinel-pass", password)

        return apply

    def _now(self) -> tuple[str, ...]:
        return tuple(self._settings.secret(name) for name in _WATCHED)
