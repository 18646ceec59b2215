"""Tests of what the worker sees: waits outlive the trackers that judge them. No API server is asked."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from slipway_worker import fleet as fleets
from slipway_worker.fleet import RESOURCE_QUOTA, Fleet, selections

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    EngineError,
    ForbiddenError,
    UnreachableError,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT
from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Tracker
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import (
    State,
    Target,
    Verdict,
    View,
    done,
    pending,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

TARGET = Target(DEPLOYMENT, "n", "demo", "u")
FORBIDDEN = ForbiddenError("no", status=403, body={})
GONE = UnreachableError("gone", retryable=False)


class Unused:
    """A client that nobody calls, since the streams are not started."""

    def channel(self) -> Any:
        """Return what is not used but for its end."""
        return self

    def cut(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Driven(Tracker):
    """A tracker whose streams bring what the test says."""

    made: list[Driven]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)

    def __enter__(self) -> Driven:
        self._running = True
        return self

    def __exit__(self, *_: object) -> None:
        self._running = False

    def sync(self, *objects: dict[str, Any]) -> None:
        """Have every stream bring its first list."""
        for stream in self.streams:
            found = [obj for obj in objects if obj["kind"] == stream.selection.resource.kind]
            stream._report(stream, stream.store.replace(found, 1))
            stream.synced = True
            stream._report(stream, [])

    def give_up(self, error: EngineError) -> None:
        """End one of its streams."""
        self.streams[0]._give_up(error)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Driven]:
    """The trackers that a fleet makes, in order."""
    monkeypatch.setattr(fleets, "Tracker", Driven)
    monkeypatch.setattr(Driven, "made", [], raising=False)
    return Driven.made


@contextmanager
def running(made: list[Driven], *namespaces: str) -> Iterator[Fleet]:
    client: Any = Unused()
    with Fleet(client, namespaces or ("n",)) as fleet:
        eventually(lambda: len(made) == len(namespaces or ("n",)), within=5, what="trackers", every=0.005)
        yield fleet


def successor(made: list[Driven], count: int) -> Driven:
    eventually(lambda: len(made) == count, within=5, what=f"tracker {count}", every=0.005)
    return made[-1]


def synced(fleet: Fleet) -> None:
    eventually(lambda: fleet.synced, within=5, what="a view", every=0.005)


def deployment(**meta: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"namespace": "n", "name": "demo", "uid": "u", **meta}}


def there(view: View) -> Verdict:
    return done("there") if view.obj else pending("not there")


def test_ours_are_watched_and_every_quota() -> None:
    labels = {each.resource.plural: each.labels for each in selections("n")}
    ours = "app.kubernetes.io/managed-by=slipway"
    assert labels == {"deployments": ours, "replicasets": ours, "pods": ours, "resourcequotas": ""}


def test_wait_begins_before_there_is_a_view(made: list[Driven]) -> None:
    with running(made) as fleet:
        wait = fleet.expect(TARGET, there)
        assert not wait.done()
        made[0].sync(deployment())
        assert wait.result(5).verdict.state is State.DONE
        synced(fleet)
        assert fleet.find(TARGET) == deployment()


@pytest.mark.parametrize("error", [FORBIDDEN, GONE, EngineError("internal error")])
def test_wait_outlives_its_tracker(made: list[Driven], error: EngineError) -> None:
    with running(made) as fleet:
        made[0].sync()
        synced(fleet)
        wait = fleet.expect(TARGET, there)
        made[0].give_up(error)
        second = successor(made, 2)
        assert (wait.done(), fleet.refusal("n")) == (False, error)
        second.sync(deployment())
        assert wait.result(5).verdict.state is State.DONE
        synced(fleet)
        assert fleet.refusal("n") is None
        assert fleet.restarts()["deployments", "n"] == 1


def test_observer_is_told_by_each_tracker(made: list[Driven]) -> None:
    told: list[str] = []
    with running(made) as fleet:
        wait = fleet.expect(TARGET, there, lambda _view, verdict: told.append(verdict.summary))
        made[0].sync(deployment())
        synced(fleet)
        made[0].give_up(GONE)
        successor(made, 2).sync()
        synced(fleet)
        assert (told, wait.done()) == (["there", "not there"], False)
        assert fleet.abandon(TARGET, wait).verdict.summary == "not there"


def test_abandoned_wait_is_over_for_good(made: list[Driven]) -> None:
    with running(made) as fleet:
        early = fleet.expect(TARGET, there)
        assert fleet.abandon(TARGET, early).verdict.state is State.PENDING
        made[0].sync()
        synced(fleet)
        late = fleet.expect(TARGET, there)
        outcomes = [fleet.abandon(TARGET, late) for _ in range(2)]
        made[0].sync(deployment())
        assert [each.verdict.summary for each in outcomes] == ["not there"] * 2
        assert late.result() is outcomes[0]
        assert not made[0]._waits


def test_wait_that_is_over_keeps_its_outcome(made: list[Driven]) -> None:
    with running(made) as fleet:
        made[0].sync(deployment())
        synced(fleet)
        wait = fleet.expect(TARGET, there)
        assert fleet.abandon(TARGET, wait) is wait.result()


def test_one_namespace_does_not_take_down_another(made: list[Driven]) -> None:
    with running(made, "n", "refused") as fleet:
        by_namespace = {each.streams[0].selection.namespace: each for each in made}
        by_namespace["refused"].give_up(FORBIDDEN)
        eventually(lambda: fleet.refusal("refused"), within=5, what="a refusal", every=0.005)
        assert not fleet.synced
        by_namespace["n"].sync()
        synced(fleet)
        assert fleet.fresh


def test_no_view_of_any_namespace_is_none(made: list[Driven]) -> None:
    with running(made) as fleet:
        made[0].give_up(FORBIDDEN)
        eventually(lambda: fleet.refusal("n"), within=5, what="a refusal", every=0.005)
        assert not fleet.synced


@pytest.mark.parametrize(
    ("heard", "failing", "fresh"), [(0, None, True), (139, None, True), (141, None, False), (0, 2, True), (0, 4, False)]
)
def test_fresh(made: list[Driven], heard: float, failing: float | None, fresh: bool) -> None:
    with running(made) as fleet:
        made[0].sync()
        synced(fleet)
        now = time.monotonic()
        stream = made[0].streams[1]
        stream.heard = now - heard
        stream.failing_since = None if failing is None else now - failing
        assert fleet.fresh is fresh
        assert round(fleet.ages()["replicasets", "n"]) == heard


def test_unreachable_server_is_not_fresh(made: list[Driven]) -> None:
    with running(made) as fleet:
        made[0].give_up(GONE)
        eventually(lambda: fleet.refusal("n"), within=5, what="an error", every=0.005)
        assert not fleet.fresh


def test_quotas(made: list[Driven]) -> None:
    quota = {"kind": RESOURCE_QUOTA.kind, "metadata": {"namespace": "n", "name": "q", "uid": "q"}}
    with running(made) as fleet:
        assert fleet.quotas("n") == []
        made[0].sync(quota)
        synced(fleet)
        assert fleet.quotas("n") == [quota]


def test_waits_while_trackers_come_and_go(made: list[Driven]) -> None:
    """Waits that begin at any moment are all judged, each by the tracker that is there."""
    waits: list[Future[Any]] = []
    enough = threading.Event()

    def begin() -> None:
        while not enough.is_set():
            waits.append(fleet.expect(TARGET, there))
            time.sleep(0.001)

    with running(made) as fleet:
        thread = threading.Thread(target=begin)
        thread.start()
        for count in range(1, 4):
            successor(made, count).sync()
            synced(fleet)
            made[-1].give_up(GONE)
        successor(made, 4).sync(deployment())
        synced(fleet)
        enough.set()
        thread.join()
        assert {wait.result(5).verdict.state for wait in waits} == {State.DONE}
