"""Random histories of a small Kubernetes, seen by the engine's tracker through streams that lag, break and repeat
themselves: no verdict may be wrong, and no wait be lost.

The tracker, its judges and the streams' stores are the engine's own; threads, sockets and clocks are not there.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import target_of
from ansible_collections.slipway.cloud.plugins.module_utils.engine.readiness import gone, ready
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, POD, REPLICA_SET
from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Tracker
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import State, failing_fast
from tests.support.model import NAMESPACE, Model, is_deleted

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Reflector
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Outcome
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Judge, Target, Verdict
    from tests.support.model import Object

KINDS = (DEPLOYMENT, REPLICA_SET, POD)
STEPS = 50

NAMES = st.sampled_from(["a", "b"])
STREAMS = st.integers(0, len(KINDS) - 1)
REPLICAS = st.sampled_from([2, 1, 3, 0])
FEW = st.integers(1, 6)
SEEDS = st.integers(0, (1 << 32) - 1)


class ModelClient:
    """What the streams ask: lists alone, for what happens afterwards they are told."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def channel(self) -> ModelClient:
        """There are no connections."""
        return self

    def get(self, path: str, _query: object, **_: object) -> Object:
        """A list as it is now."""
        kind = next(each.kind for each in KINDS if path.endswith(f"/{each.plural}"))
        return {"metadata": {"resourceVersion": str(self._model.revision)}, "items": self._model.of_kind(kind)}


class Histories(RuleBasedStateMachine):
    """One history."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = 0.0
        client: Any = ModelClient(self.model)
        self.tracker = Tracker(
            client,
            [Selection(kind, NAMESPACE) for kind in KINDS],
            watcher=self.judged,
            warner=lambda _selection, _message: None,
            clock=lambda: self.now,
        )
        self.waits: list[Future[Outcome]] = []
        self.at = [0] * len(KINDS)  # the revision up to which each stream has been told
        self.apart = [False] * len(KINDS)  # which streams are cut off
        for stream in self.tracker.streams:
            stream.refresh()

    # Users

    @rule(name=NAMES, replicas=REPLICAS, template=st.integers(1, 2))
    def create(self, name: str, replicas: int, template: int) -> None:
        """Or change."""
        self._apply(name, {"replicas": replicas, "template": template})

    @rule(name=NAMES, replicas=REPLICAS)
    def scale(self, name: str, replicas: int) -> None:
        """Only what is there."""
        if self.model.deployment(name):
            self._apply(name, {"replicas": replicas})

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """By us, who wait for its end."""
        obj = self.model.deployment(name)
        if obj:
            self._expect(self.model.delete(obj, foreground=True), gone)

    @rule(name=NAMES, foreground=st.booleans())
    def delete_behind_our_back(self, name: str, foreground: bool) -> None:
        """By somebody else, who does not care about its pods unless he does so in the foreground."""
        obj = self.model.deployment(name)
        if obj:
            self.model.delete(obj, foreground=foreground)

    @precondition(lambda self: self.model.of_kind("Pod"))
    @rule(number=st.integers(0, 7), lost=st.booleans())
    def kill(self, number: int, lost: bool) -> None:
        """A pod's container, or the pod with its node."""
        pods = self.model.of_kind("Pod")
        (self.model.lose if lost else self.model.crash)(pods[number % len(pods)])

    # The Kubernetes

    @rule(steps=st.integers(1, 40), seeded=SEEDS)
    def live(self, steps: int, seeded: int) -> None:
        """Controllers do something here and there, and streams tell of some of it."""
        chance = random.Random(seeded)
        for _step in range(steps):
            if self.model.objects:
                self.model.step(chance.choice(list(self.model.objects.values())))
            if chance.random() < 0.3:
                self.deliver(chance.randrange(len(KINDS)), chance.randrange(1, 6))

    @rule()
    def settle(self) -> None:
        """Controllers do all there is to do."""
        self.model.settle()

    @rule(seconds=st.integers(1, 600))
    def wait(self, seconds: int) -> None:
        """Time goes by."""
        self.now += seconds
        self.tracker.tick()

    # The network

    @rule(number=STREAMS, count=FEW)
    def deliver(self, number: int, count: int) -> None:
        """A stream tells of some events."""
        if not self.apart[number]:
            self._deliver(number, count)

    @rule()
    def catch_up(self) -> None:
        """All streams tell of everything."""
        for number, apart in enumerate(self.apart):
            if not apart:
                self._deliver(number)

    @rule(number=STREAMS, count=FEW, later=FEW)
    def repeat(self, number: int, count: int, later: int) -> None:
        """A stream tells again what it has told, but for the last of it."""
        told = [each for each in self._events(number) if each[0] <= self.at[number]]
        self._tell(number, told[:-later][-count:])

    @rule(number=STREAMS)
    def partition(self, number: int) -> None:
        """A stream hears nothing."""
        self.apart[number] = True

    @rule(number=STREAMS, expired=st.booleans())
    def heal(self, number: int, expired: bool) -> None:
        """It hears again; what it has missed it has to list where the server has forgotten it."""
        self.apart[number] = False
        if expired:
            self.tracker.streams[number].refresh()
            self.at[number] = self.model.revision

    def teardown(self) -> None:
        """When all is well in the end, nobody waits any more."""
        self.model.settle()
        for number in range(len(KINDS)):
            self._deliver(number)
        assert [wait for wait in self.waits if not wait.done()] == []

    # What must hold

    def judged(self, target: Target, verdict: Verdict) -> None:
        """Compare a verdict with the truth, at the revision that the tracker has seen."""
        seen = self.tracker.streams[0].store.revision
        obj = self.model.version(target.uid, seen)
        if verdict.state is State.FAILED:
            assert obj is None or is_deleted(obj), f"false failure at {seen}: {verdict}"
        if "object_gone" in verdict.reached:
            assert obj is None, f"not gone at {seen}: {verdict}"
        if verdict.state is State.DONE and "object_gone" in verdict.reached:
            assert self.model.pods_of(target.uid) == [], f"pods left: {verdict}"
        if "available" in verdict.reached:
            assert seen >= target.revision, f"too early at {seen}: {target}"
            truth = self.model.truth(target.uid, seen)
            assert obj, f"available, but not there at {seen}: {target}"
            assert truth, f"available, but never looked after: {target}"
            assert truth.generation == obj["metadata"]["generation"] >= target.generation, f"not observed: {obj}"
            assert (truth.ready, truth.others) == (obj["spec"]["replicas"], 0), f"not available: {truth}, {obj}"

    def _apply(self, name: str, spec: Object) -> None:
        obj = self.model.deployment(name)
        if not obj or not is_deleted(obj):
            self._expect(self.model.apply(name, spec), failing_fast(ready, "unrecoverable"))

    def _expect(self, obj: Object, judge: Judge) -> None:
        self.waits.append(self.tracker.expect(target_of(DEPLOYMENT, obj), judge))

    def _events(self, number: int) -> list[tuple[int, Object]]:
        kind = KINDS[number].kind
        events = [write for write in self.model.writes if write.obj["kind"] == kind]
        return [(write.revision, {"type": write.event, "object": write.obj}) for write in events]

    def _deliver(self, number: int, count: int | None = None) -> None:
        """Tell of the next events; after the last one a bookmark says that there are no more."""
        ahead = [each for each in self._events(number) if each[0] > self.at[number]]
        now, later = ahead[:count], ahead[len(ahead[:count]) :]
        self._tell(number, now)
        self.at[number] = now[-1][0] if later else self.model.revision
        if not later:
            self._tell(number, [(self.at[number], _bookmark(self.at[number]))])

    def _tell(self, number: int, events: list[tuple[int, Object]]) -> None:
        stream: Reflector = self.tracker.streams[number]
        stream.take([event for _revision, event in events])


def run(count: int, seeded: int) -> None:
    """Live through so many histories. Raises `AssertionError` with the shortest one found where a verdict is wrong."""
    limits = settings(
        max_examples=count,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        verbosity=Verbosity.normal,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(seeded)(Histories), settings=limits)


def _bookmark(revision: int) -> Object:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(revision)}}}
