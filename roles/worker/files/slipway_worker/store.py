"""The few requests that the worker sends to the API server. Each blocks, and raises the engine's errors."""

from __future__ import annotations

import base64
import binascii
import typing as t
from dataclasses import dataclass

from ansible_collections.slipway.cloud.plugins.module_utils.engine import apply
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    ConflictError,
    ExpiredError,
    RejectedError,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, MANAGED_BY, OURS

from . import specs

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

_TOKEN = "{namespace}\n{rest}"


class PageTokenError(Exception):
    """A page token that is none, of another namespace, or too old."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some clusters in the order of their names, and what asks for the next ones, empty at the end."""

    objects: list[Object]
    next_token: str


class Store:
    """Deployments as the API server keeps them. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def until(self, deadline: float) -> AbstractContextManager[None]:
        """Bound what this thread requests meanwhile: after ``deadline``, a time.monotonic(), nothing is repeated."""
        return self._client.until(deadline)

    def create(self, manifest: Object) -> Object:
        """Make a Deployment by one request. :raises ConflictError: if there is one of that name, be it of this call."""
        return apply.create(self._client, DEPLOYMENT, manifest)

    def read(self, namespace: str, name: str) -> Object | None:
        """Return a Deployment, None if there is none."""
        return _whole(apply.read(self._client, DEPLOYMENT, namespace, name))

    def delete(self, current: Object) -> Object:
        """Delete that very Deployment after its pods. :raises ConflictError: if it is another one now."""
        return apply.delete(self._client, DEPLOYMENT, current)

    def scale(self, current: Object, replicas: int) -> Object:
        """Give that very Deployment another number of replicas. :raises ConflictError: if it is another one now."""
        try:
            return apply.scale(self._client, DEPLOYMENT, current, replicas)
        except RejectedError as error:  # a test of a JSON patch that fails counts as invalid
            now = self.read(*_key(current))
            if now and now["metadata"]["uid"] == current["metadata"]["uid"]:
                raise
            raise ConflictError(str(error), status=409, body=error.body) from error

    def page(self, namespace: str, size: int, token: str) -> Page:
        """Return at most so many clusters of a namespace, after those that ``token`` stands for.

        :raises PageTokenError: if it cannot be gone on from there.
        """
        query = {"labelSelector": f"{MANAGED_BY}={OURS}", "limit": str(size)}
        if token:
            query["continue"] = _opened(token, namespace)
        try:
            answer = self._client.get(
                DEPLOYMENT.path(namespace), query, action=f"list clusters in namespace {namespace}"
            )
        except (ExpiredError, RejectedError) as error:
            if not token:
                raise
            raise PageTokenError(f"it is too old, or was not given by this method: {error}") from error
        objects = [_whole(each) for each in answer.get("items") or ()]
        rest = answer["metadata"].get("continue", "")
        return Page([each for each in objects if specs.is_cluster(each)], _sealed(rest, namespace) if rest else "")


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


@t.overload
def _whole(obj: Object) -> Object: ...
@t.overload
def _whole(obj: Object | None) -> Object | None: ...
def _whole(obj: Object | None) -> Object | None:
    """Return an object with its kind, which a list leaves out."""
    if obj is not None:
        obj.update(apiVersion=DEPLOYMENT.api_version, kind=DEPLOYMENT.kind)
    return obj


def _sealed(rest: str, namespace: str) -> str:
    """Return a token that goes on in that namespace alone."""
    return base64.urlsafe_b64encode(_TOKEN.format(namespace=namespace, rest=rest).encode()).decode()


def _opened(token: str, namespace: str) -> str:
    try:
        whose, _, rest = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition("\n")
    except (binascii.Error, ValueError) as error:
        raise PageTokenError("it is none that this method has given") from error
    if whose != namespace or not rest:
        raise PageTokenError(f"it is of another namespace than {namespace}")
    return rest
