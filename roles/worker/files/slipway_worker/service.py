"""The six calls: check, decide, act, wait, answer. What is decided is in decisions.py, and its state in Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import time
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from slipway.v1 import clusters_pb2 as pb
from slipway.v1 import clusters_pb2_grpc as pb_grpc

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ApiError, ConflictError, EngineError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import target_of
from ansible_collections.slipway.cloud.plugins.module_utils.engine.readiness import gone
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, Object, title
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import State, Target

from . import decisions, specs, status
from .decisions import Asked, Step
from .fleet import RESOURCE_QUOTA
from .identity import caller
from .status import Refusal
from .store import PageTokenError

if t.TYPE_CHECKING:
    import grpc

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Outcome
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Judge, Verdict, View

    from .fleet import Fleet
    from .metrics import Metrics
    from .settings import Settings
    from .specs import Violation
    from .store import Page, Store

    Context = grpc.aio.ServicerContext[t.Any, t.Any]

T = t.TypeVar("T")

_MARGIN, _SHARE = 0.25, 0.1  # seconds, and share of the time, that an answer gets to be there before the deadline
_EACH = 0.002  # seconds more for each wait under way: all may be due at once, and each answer takes its time
_LEAST = 0.05  # seconds without which nothing is begun: the answer would come too late
_QUOTA_LAG = 2.0  # seconds that the quota controller gets to see that something has gone
_CLEAN_UP = 5.0  # seconds that a failed create waits for the end of what it has made
_MOST_CHANGES = 256  # that a watcher may be behind; then it misses the oldest


@dataclass(slots=True)
class Call:
    """One call on its way. Times are those of time.monotonic(); ``phases`` are seconds since it ``began``."""

    method: str
    namespace: str
    name: str
    began: float
    deadline: float
    sent: float = 0.0  # the first request to the API server
    answered: float = 0.0  # the last one
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How messages name what it is about."""
        return title("Cluster", self.name, self.namespace)

    def reach(self, **stages: float) -> None:
        """Note when stages were reached, as times; what was so before the call was so when it arrived."""
        self.phases |= {stage: max(0.0, at - self.began) for stage, at in stages.items()}


@contextlib.contextmanager
def refusing() -> t.Iterator[None]:
    """Tell what keeps a call from succeeding as a Refusal, which calls.py answers by."""
    try:
        yield
    except EngineError as error:
        raise status.of_error(error) from error
    except TimeoutError as error:
        text = "The API server did not answer within the deadline; a change that was asked for may still come about."
        raise Refusal("deadline_exceeded", text) from error


def answering(
    method: t.Callable[[Clusters, t.Any, Context], t.Coroutine[t.Any, t.Any, T]],
) -> t.Callable[[Clusters, t.Any, Context], t.Coroutine[t.Any, t.Any, T]]:
    """Have a method raise no other error than a Refusal."""

    @functools.wraps(method)
    async def answered(self: Clusters, request: t.Any, context: Context) -> T:
        with refusing():
            return await method(self, request, context)

    return answered


class Clusters(pb_grpc.ClustersServicer):
    """The servicer. Requests to the API server run in threads; waits cost none."""

    def __init__(self, settings: Settings, store: Store, fleet: Fleet, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._fleet = fleet
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="api")
        self._waiting = 0

    @answering
    async def CreateCluster(self, request: pb.CreateClusterRequest, context: Context) -> pb.CreateClusterResponse:  # noqa: N802
        """See the protocol."""
        call = self._begin("CreateCluster", request, context)
        request_id = request.request_id or uuid.uuid4().hex
        wanted = specs.wanted(request, call.namespace, request_id, caller(), self._settings)
        _demand(specs.create_violations(request, wanted.cluster, self._settings))
        wait = _waits(request)
        self._demand_view(call, wait=wait)
        asked = Asked(request_id, wanted.spec_hash, wanted.replicas, wait, request.join)
        step, obj = await self._obtain(call, wanted, asked)
        created = step in (Step.MAKE, Step.CONTINUE)
        if step is Step.JOIN:
            self._metrics.joined()
        if step is Step.JOIN or (created and wait):
            outcome = await self._outcome(call, target_of(DEPLOYMENT, obj), decisions.available)
            if outcome.verdict.state is State.FAILED and created and not request.keep_failed:
                await self._take_back(call, outcome, obj)
            cluster = self._running(call, obj, outcome)
        else:
            cluster = self._message(obj, decisions.state_of(obj)) if step is Step.MAKE else self._seen(obj)
        return pb.CreateClusterResponse(cluster=cluster, created=created, phases=self._end(call))

    async def _obtain(self, call: Call, wanted: specs.Wanted, asked: Asked) -> tuple[Step, Object]:
        """Make a cluster, or find what is there in its place, and what to do with it.

        Where a quota has no room it may be the very cluster that fills it: that is looked for before it is refused.
        """
        manifest, need = wanted.manifest(), decisions.needs(wanted.cluster.resources)
        while True:
            lacking = self._lacking(call, wanted.replicas, need)
            made = None if lacking else await self._made(call, manifest)
            if made:
                return Step.MAKE, made
            current = await self._ask(call, self._store.read, call.namespace, call.name)
            step = decisions.step(current, asked)
            if current is None:
                await self._demand_room(call, wanted.replicas, need)
            elif step is Step.OUTLIVE:
                await self._outlive(call, current)
            elif step is Step.REFUSE:
                raise _not_ours(call)
            elif step is Step.DIFFER:
                raise _different(call, current, asked)
            else:
                return step, current

    async def _made(self, call: Call, manifest: Object) -> Object | None:
        """Make a cluster; None if there is something of its name."""
        try:
            made = await self._ask(call, self._store.create, manifest)
        except ConflictError:
            self._metrics.conflict()
            return None
        call.reach(applied=call.answered)
        return made

    async def _outlive(self, call: Call, older: Object) -> None:
        """Wait for the end of an older cluster of the same name."""
        verdict = (await self._outcome(call, target_of(DEPLOYMENT, older), gone)).verdict
        if verdict.state is not State.DONE:
            what = f"an older cluster of this name is still being deleted: {verdict.summary}"
            raise status.of_cause(
                Cause("terminating", what, verdict.cause.evidence if verdict.cause else ()), of=call.title
            )

    async def _take_back(self, call: Call, outcome: Outcome, made: Object) -> t.NoReturn:
        """Delete what this call has made and what will not come right, and say why it does not."""
        cause = _cause(outcome.verdict)
        doomed = decisions.is_doomed(self._fleet.find(outcome.target) or made, cause)
        note = await self._delete_again(call, made) if doomed else "It was left as it is."
        raise status.of_cause(cause, of=call.title, note=note)

    async def _delete_again(self, call: Call, made: Object) -> str:
        try:
            deleted = await self._ask(call, self._store.delete, made)
        except ConflictError:
            return "It is gone."
        except (EngineError, TimeoutError) as error:
            return f"It could not be deleted: {error or 'no time was left.'}"
        await self._outcome(call, target_of(DEPLOYMENT, deleted), gone, within=_CLEAN_UP)
        return "It was deleted."

    @answering
    async def DeleteCluster(self, request: pb.DeleteClusterRequest, context: Context) -> pb.DeleteClusterResponse:  # noqa: N802
        """See the protocol."""
        call = self._begin("DeleteCluster", request, context)
        _demand(specs.name_violations(request.name) + specs.request_id_violations(request.request_id))
        wait = _waits(request)
        self._demand_view(call, wait=wait)
        obj = await self._deleted(call, request.uid)
        if obj is None:
            if not request.allow_missing:
                raise _not_found(call, request.uid)
            return pb.DeleteClusterResponse(phases=self._end(call))
        if not wait:
            return pb.DeleteClusterResponse(cluster=self._message(obj, pb.DELETE_IN_PROGRESS), phases=self._end(call))
        outcome = await self._outcome(call, target_of(DEPLOYMENT, obj), gone)
        call.reach(**outcome.reached)
        if outcome.verdict.state is not State.DONE:
            raise status.out_of_time(outcome.verdict.cause, of=call.title, state=outcome.verdict.summary)
        return pb.DeleteClusterResponse(cluster=self._message(obj, pb.DELETED), phases=self._end(call))

    async def _deleted(self, call: Call, uid: str) -> Object | None:
        """Have a cluster deleted, and return it as it waits for its end; None if there is none."""
        while True:
            current = await self._existing(call, uid)
            if current is None:
                return None
            try:  # also if it is on its way: somebody may have meant to leave its pods
                deleted = await self._ask(call, self._store.delete, current)
            except ConflictError:  # it is another one by now
                self._metrics.conflict()
            else:
                call.reach(applied=call.answered)
                return deleted

    @answering
    async def ScaleCluster(self, request: pb.ScaleClusterRequest, context: Context) -> pb.ScaleClusterResponse:  # noqa: N802
        """See the protocol."""
        call = self._begin("ScaleCluster", request, context)
        _demand(specs.scale_violations(request, self._settings))
        wait = _waits(request)
        self._demand_view(call, wait=wait)
        obj = await self._scaled(call, request.uid, request.replicas)
        if not wait:
            return pb.ScaleClusterResponse(cluster=self._seen(obj), phases=self._end(call))
        judge = decisions.available_with(request.replicas)
        outcome = await self._outcome(call, target_of(DEPLOYMENT, obj), judge)
        return pb.ScaleClusterResponse(cluster=self._running(call, obj, outcome), phases=self._end(call))

    async def _scaled(self, call: Call, uid: str, replicas: int) -> Object:
        """Give a cluster another number of pods."""
        while True:
            current = await self._existing(call, uid)
            if current is None:
                raise _not_found(call, uid)
            if decisions.is_leaving(current):
                raise Refusal("terminating", f"{call.title} is being deleted.")
            resources = current["spec"]["template"]["spec"]["containers"][0].get("resources") or {}
            await self._demand_room(call, replicas - specs.replicas_of(current), decisions.needs(resources))
            try:
                scaled = await self._ask(call, self._store.scale, current, replicas)
            except ConflictError:  # it is another one by now
                self._metrics.conflict()
            else:
                call.reach(applied=call.answered)
                return scaled

    @answering
    async def GetCluster(self, request: pb.GetClusterRequest, context: Context) -> pb.Cluster:  # noqa: N802
        """See the protocol."""
        call = self._begin("GetCluster", request, context)
        _demand(specs.name_violations(request.name))
        current = await self._existing(call)
        if current is None:
            raise _not_found(call)
        self._end(call)
        return self._seen(current)

    @answering
    async def ListClusters(self, request: pb.ListClustersRequest, context: Context) -> pb.ListClustersResponse:  # noqa: N802
        """See the protocol."""
        call = self._begin("ListClusters", request, context)
        _demand(specs.list_violations(request))
        size = min(request.page_size or specs.USUAL_PER_PAGE, specs.MOST_PER_PAGE)
        try:
            page = await self._ask(call, self._store.page, call.namespace, size, request.page_token)
        except PageTokenError as error:
            raise status.invalid([("page_token", str(error))]) from error
        clusters = await self._ask(call, self._all_seen, page)
        self._end(call)
        return pb.ListClustersResponse(clusters=clusters, next_page_token=page.next_token)

    async def WatchCluster(  # noqa: N802
        self, request: pb.WatchClusterRequest, context: Context
    ) -> t.AsyncGenerator[pb.WatchClusterResponse, None]:
        """See the protocol."""
        with refusing():
            call = self._begin("WatchCluster", request, context, longest=math.inf)
            _demand(specs.name_violations(request.name))
            self._demand_view(call, wait=True)
            current = await self._awaited(call, wait=request.await_creation)
            async with contextlib.aclosing(self._changes(call, current)) as changes:
                async for change in changes:
                    yield change

    async def _awaited(self, call: Call, *, wait: bool) -> Object:
        """Return a cluster, as soon as there is one if ``wait`` says so."""
        while True:
            current = await self._existing(call)
            if current is not None:
                return current
            if not wait:
                raise _not_found(call)
            outcome = await self._outcome(call, Target(DEPLOYMENT, call.namespace, call.name), decisions.appeared)
            if outcome.verdict.state is not State.DONE:
                raise TimeoutError

    async def _changes(self, call: Call, current: Object) -> t.AsyncGenerator[pb.WatchClusterResponse, None]:
        """Yield how a cluster stands, and each change of that, until it is gone."""
        loop = asyncio.get_running_loop()
        seen: asyncio.Queue[tuple[View, Verdict]] = asyncio.Queue()

        def take(view: View, verdict: Verdict) -> None:
            if seen.qsize() >= _MOST_CHANGES:
                seen.get_nowait()
            seen.put_nowait((view, verdict))

        def observe(view: View, verdict: Verdict) -> None:
            loop.call_soon_threadsafe(take, view, verdict)

        target = target_of(DEPLOYMENT, current)
        wait = self._fleet.expect(target, decisions.standing, observe)
        try:
            while True:
                left = call.deadline - time.monotonic()
                view, verdict = await asyncio.wait_for(seen.get(), None if left == math.inf else left)
                if not view.settled:
                    continue
                current = view.obj if view.present and view.obj else current
                state = decisions.state_in(view, verdict)
                yield self._change(current, state, verdict)
                if state == pb.DELETED:
                    return
        finally:
            self._fleet.abandon(target, wait)

    def _change(self, obj: Object, state: pb.State, verdict: Verdict) -> pb.WatchClusterResponse:
        change = pb.WatchClusterResponse(
            cluster=self._message(obj, state, verdict.cause), message=verdict.summary, counts=verdict.counts
        )
        change.time.GetCurrentTime()
        return change

    def _begin(self, method: str, request: t.Any, context: Context, *, longest: float | None = None) -> Call:
        """Return the call, if it is of a namespace that is served and there is time for it."""
        began = time.monotonic()
        namespace = request.namespace or self._settings.namespaces[0]
        if namespace not in self._settings.namespaces:
            text = f"This worker does not serve namespace {namespace!r}, but: {', '.join(self._settings.namespaces)}."
            raise Refusal("namespace_not_allowed", text)
        longest = self._settings.max_deadline if longest is None else longest
        given = context.time_remaining()
        margin = _MARGIN + _EACH * self._waiting
        left = min(longest, math.inf if given is None else given - min(margin, given * _SHARE))
        if left < _LEAST:
            raise Refusal("deadline_exceeded", f"Nothing can be done within {given:g} s; nothing was begun.")
        return Call(method, namespace, getattr(request, "name", ""), began, began + left)

    def _end(self, call: Call) -> pb.Phases:
        """Note what there is to note of a call that has succeeded, and return its phases."""
        now = time.monotonic()
        self._metrics.observe_phases(call.method, call.phases)
        if call.sent:
            self._metrics.own(call.method, "before_api", call.sent - call.began)
        if not call.phases.keys() - {"applied"}:  # nothing was waited for
            self._metrics.own(call.method, "after_api", now - call.answered)
        return pb.Phases(**{stage: _duration(seconds) for stage, seconds in call.phases.items()})

    async def _ask(self, call: Call, request: t.Callable[..., T], *args: t.Any) -> T:
        """Send a request to the API server from one of the threads. :raises TimeoutError: at the call's deadline."""

        def asked() -> T:
            call.sent = call.sent or time.monotonic()
            try:
                with self._store.until(call.deadline):
                    return request(*args)
            finally:
                call.answered = time.monotonic()

        if time.monotonic() >= call.deadline:
            raise TimeoutError
        async with asyncio.timeout_at(_bounded(call.deadline)):
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)

    async def _outcome(self, call: Call, target: Target, judge: Judge, *, within: float = math.inf) -> Outcome:
        """Wait for a target until it is decided, or time is up; a call that is cancelled leaves no wait behind."""
        future = self._fleet.expect(target, judge)
        self._waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(_bounded(min(call.deadline, time.monotonic() + within))):
                    await asyncio.wrap_future(future)
        finally:
            self._waiting -= 1
            outcome = self._fleet.abandon(target, future)
        return outcome

    async def _existing(self, call: Call, uid: str = "") -> Object | None:
        """Return the cluster of that name, and of that uid if one is given; None if there is none."""
        current = await self._ask(call, self._store.read, call.namespace, call.name)
        if current is not None and not specs.is_cluster(current):
            raise _not_ours(call)
        return current if current is None or uid in ("", current["metadata"]["uid"]) else None

    def _demand_view(self, call: Call, *, wait: bool) -> None:
        """Refuse to change what could not be waited for."""
        refusal = self._fleet.refusal(call.namespace) if wait else None
        if isinstance(refusal, ApiError):
            raise status.of_error(refusal)

    async def _demand_room(self, call: Call, pods: int, need: t.Mapping[str, float]) -> None:
        """Refuse what a quota has no room for; where it is full, after a moment for what may just have gone."""
        for quota in self._lacking(call, pods, need):
            if not decisions.shortages(quota, pods, need, used=False):
                judge = decisions.has_room(pods, need)
                await self._outcome(call, target_of(RESOURCE_QUOTA, quota), judge, within=_QUOTA_LAG)
        lacking = {
            quota["metadata"]["name"]: decisions.shortages(quota, pods, need)
            for quota in self._lacking(call, pods, need)
        }
        if lacking:
            raise status.over_quota(call.namespace, lacking)

    def _lacking(self, call: Call, pods: int, need: t.Mapping[str, float]) -> list[Object]:
        """Return the quotas that have no room for so many more pods, as they were last seen."""
        quotas = self._fleet.quotas(call.namespace) if pods > 0 else []
        return [quota for quota in quotas if decisions.shortages(quota, pods, need)]

    def _running(self, call: Call, obj: Object, outcome: Outcome) -> pb.Cluster:
        """Return a cluster that was waited for. :raises Refusal: if it is not what it was to be."""
        call.reach(**outcome.reached)
        verdict = outcome.verdict
        if verdict.state is State.FAILED:
            raise status.of_cause(_cause(verdict), of=call.title)
        if verdict.state is State.PENDING:
            raise status.out_of_time(verdict.cause, of=call.title, state=verdict.summary)
        found = self._fleet.find(outcome.target)
        same = found is not None and found["metadata"]["uid"] == obj["metadata"]["uid"]
        return self._message(found if found and same else obj, pb.RUNNING)

    def _seen(self, obj: Object) -> pb.Cluster:
        """Return a cluster as it stands, and why."""
        if decisions.is_running(obj):
            return self._message(obj, pb.RUNNING)
        verdict = self._fleet.verdict(target_of(DEPLOYMENT, obj), decisions.standing)
        return self._message(obj, decisions.state_of(obj, verdict), verdict.cause)

    def _all_seen(self, page: Page) -> list[pb.Cluster]:
        """Return the clusters of a page, without causes; for a thread, since there may be many."""
        clusters = [self._seen(each) for each in page.objects]
        for each in clusters:
            each.ClearField("cause")
        return clusters

    def _message(self, obj: Object, state: pb.State, cause: Cause | None = None) -> pb.Cluster:
        return specs.message(obj, state, cause, default_image=self._settings.image)


def _waits(request: t.Any) -> bool:
    """Whether a request is to be answered only once it has taken effect."""
    return bool(request.wait) if request.HasField("wait") else True


def _demand(violations: t.Sequence[Violation]) -> None:
    if violations:
        raise status.invalid(violations)


def _cause(verdict: Verdict) -> Cause:
    return verdict.cause or Cause("unknown", verdict.summary)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration


def _bounded(deadline: float) -> float | None:
    return None if deadline == math.inf else deadline


def _not_found(call: Call, uid: str = "") -> Refusal:
    return Refusal("not_found", f"{call.title} does not exist" + (f" with uid {uid}." if uid else "."))


def _not_ours(call: Call) -> Refusal:
    what = title("Deployment", call.name, call.namespace)
    return Refusal(
        "not_ours", f"{what} exists and is no cluster of this worker; it was not touched. Choose another name."
    )


def _different(call: Call, current: Object, asked: Asked) -> Refusal:
    metadata = {
        "uid": current["metadata"]["uid"],
        "found_spec_sha256": specs.annotation(current, specs.SPEC_HASH),
        "wanted_spec_sha256": asked.spec_hash,
        "found_replicas": str(specs.replicas_of(current)),
        "wanted_replicas": str(asked.replicas),
    }
    text = f"{call.title} exists with another spec: scale it, delete it, or choose another name."
    return Refusal("already_exists", text, metadata=metadata)
