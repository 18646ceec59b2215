"""A Kubernetes small enough to know the truth about.

An API server that remembers every revision, and the controllers of Deployments, ReplicaSets and pods, each of which
does one thing when it is told to. They are simplified where no client can tell: a Deployment's status is computed from
its pods, at once and not by way of its ReplicaSets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "model"
FOREGROUND = "foregroundDeletion"
REVISION = "deployment.kubernetes.io/revision"
API_VERSIONS = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "Pod": "v1"}
CONTAINER_STATES = {
    "waiting": {"waiting": {"reason": "ContainerCreating"}},
    "running": {"running": {}},
    "crashed": {"waiting": {"reason": "CrashLoopBackOff"}},
}

Object = dict[str, Any]


@dataclass(frozen=True)
class Write:
    """What happened at a revision: ADDED, MODIFIED or DELETED, and the object as it was then."""

    revision: int
    event: str
    obj: Object


@dataclass(frozen=True)
class Truth:
    """How the pods of a Deployment really stood when its status was written at a revision."""

    revision: int
    generation: int
    ready: int
    others: int


@dataclass
class Model:
    """What there is, and how it came about."""

    writes: list[Write] = field(default_factory=list)
    objects: dict[str, Object] = field(default_factory=dict)  # by uid
    truths: dict[str, list[Truth]] = field(default_factory=dict)  # by the uid of the Deployment

    @property
    def revision(self) -> int:
        """The newest revision."""
        return len(self.writes)

    def of_kind(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [obj for obj in self.objects.values() if obj["kind"] == kind]

    def controlled(self, uid: str) -> list[Object]:
        """What an object controls."""
        return [obj for obj in self.objects.values() if _owner(obj) == uid]

    # What users do

    def deployment(self, name: str) -> Object | None:
        """The Deployment of that name."""
        return next((each for each in self.of_kind("Deployment") if each["metadata"]["name"] == name), None)

    def apply(self, name: str, spec: Object) -> Object:
        """Declare fields of a Deployment, and return it as it is then; what is so already is not written."""
        current = self.deployment(name)
        if current is None:
            return self._create("Deployment", name, spec)
        wanted = {**current["spec"], **spec}
        return current if current["spec"] == wanted else self._update(current, spec=wanted)

    def delete(self, obj: Object, *, foreground: bool) -> Object:
        """Delete an object, in the foreground after what it controls; return it as it waits for its end."""
        if is_deleted(obj):
            return obj
        if foreground:
            finalizers = {} if obj["kind"] == "Pod" else {"finalizers": [FOREGROUND]}
            return self._update(obj, meta={"deletionTimestamp": "now", **finalizers})
        self._remove(obj)
        return obj

    # What goes wrong

    def lose(self, pod: Object) -> None:
        """The pod is gone with its node."""
        self._remove(pod)

    def crash(self, pod: Object) -> None:
        """The container ends, once in its life; it will be started again."""
        if is_ready(pod) and not restarts(pod):
            self._update(pod, status=_pod_status("crashed", restarts=1))

    # What controllers do

    def step(self, obj: Object) -> None:
        """Let whoever looks after an object do the next thing there is to do for it, if there is any."""
        owner = _owner(obj)
        if owner and owner not in self.objects:
            self._remove(obj)
        elif is_deleted(obj):
            self._finish(obj)
        else:
            {"Deployment": self._deploy, "ReplicaSet": self._replicate, "Pod": self._run}[obj["kind"]](obj)

    def settle(self) -> None:
        """Let everybody do all there is to do."""
        before = -1
        while before != self.revision:
            before = self.revision
            for uid in list(self.objects):
                if uid in self.objects:
                    self.step(self.objects[uid])

    # What is true

    def version(self, uid: str, revision: int) -> Object | None:
        """An object as it was at a revision; None if it was not there."""
        for write in reversed(self.writes[:revision]):
            if write.obj["metadata"]["uid"] == uid:
                return None if write.event == "DELETED" else write.obj
        return None

    def truth(self, uid: str, revision: int) -> Truth | None:
        """What was true when the status that a Deployment had at a revision was written."""
        return next((each for each in reversed(self.truths.get(uid, [])) if each.revision <= revision), None)

    def pods_of(self, uid: str) -> list[Object]:
        """The pods that a Deployment controls, also when it is gone."""
        sets = {each.obj["metadata"]["uid"] for each in self.writes if _owner(each.obj) == uid}
        return [pod for pod in self.of_kind("Pod") if _owner(pod) in sets]

    # The controllers

    def _finish(self, obj: Object) -> None:
        """Delete what an object that is to go controls, then the object."""
        children = self.controlled(obj["metadata"]["uid"])
        if not children:
            self._remove(obj)
        for child in children:
            self.delete(child, foreground=True)

    def _deploy(self, obj: Object) -> None:
        """Make the newest ReplicaSet, shift replicas to it, and say how things stand."""
        sets = self.controlled(obj["metadata"]["uid"])
        newest = next((each for each in sets if each["spec"]["template"] == obj["spec"]["template"]), None)
        number = max((int(each["metadata"]["annotations"][REVISION]) for each in sets), default=0)
        if newest is None:
            spec = {"replicas": 0, "template": obj["spec"]["template"]}
            name = f"{obj['metadata']['name']}-{self.revision}"
            newest = self._create("ReplicaSet", name, spec, owner=obj, annotations={REVISION: str(number + 1)})
        elif int(newest["metadata"]["annotations"][REVISION]) < number:  # rolled back
            newest = self._update(newest, meta={"annotations": {REVISION: str(number + 1)}})
        if obj["metadata"]["annotations"] != newest["metadata"]["annotations"]:
            obj = self._update(obj, meta={"annotations": newest["metadata"]["annotations"]})
        self._shift(obj, newest, [each for each in sets if _uid(each) != _uid(newest)])
        self._report(obj, newest)

    def _shift(self, obj: Object, newest: Object, old: list[Object]) -> None:
        """With one replica more than wanted, and none less that is ready: maxSurge 1, maxUnavailable 0."""
        wanted = obj["spec"]["replicas"]
        kept = sum(each["spec"]["replicas"] for each in old)
        room = max(0, wanted + 1 - kept) if kept else wanted
        self._resize(newest, min(wanted, room) if room < wanted else wanted)
        spare = sum(map(is_ready, self.pods_of(_uid(obj)))) - wanted
        for each in old:
            count = each["spec"]["replicas"]
            less = min(count, max(0, spare))
            self._resize(each, count - less)
            spare -= less

    def _resize(self, replica_set: Object, replicas: int) -> None:
        if replica_set["spec"]["replicas"] != replicas:
            self._update(replica_set, spec={**replica_set["spec"], "replicas": replicas})

    def _report(self, obj: Object, newest: Object) -> None:
        pods = [pod for pod in self.pods_of(_uid(obj)) if not is_deleted(pod)]
        updated = [pod for pod in pods if _owner(pod) == _uid(newest)]
        status = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(updated),
            "availableReplicas": sum(map(is_ready, pods)),
        }
        if obj["status"] != status:
            self._update(obj, status=status)
            ready = sum(map(is_ready, updated))
            truth = Truth(self.revision, obj["metadata"]["generation"], ready, len(pods) - ready)
            self.truths.setdefault(_uid(obj), []).append(truth)

    def _replicate(self, obj: Object) -> None:
        """Create or delete one pod."""
        pods = [pod for pod in self.controlled(_uid(obj)) if not is_deleted(pod)]
        if len(pods) < obj["spec"]["replicas"]:
            self._create("Pod", f"{obj['metadata']['name']}-{self.revision}", {}, owner=obj)
        elif len(pods) > obj["spec"]["replicas"]:
            self.delete(min(pods, key=is_ready), foreground=True)

    def _run(self, pod: Object) -> None:
        """Schedule a pod, then start it."""
        if not pod["status"]:
            self._update(pod, status=_pod_status("waiting"))
        elif not is_ready(pod):
            self._update(pod, status=_pod_status("running", restarts=restarts(pod)))

    # The API server

    def _create(
        self, kind: str, name: str, spec: Object, *, owner: Object | None = None, annotations: Object | None = None
    ) -> Object:
        meta: Object = {
            "namespace": NAMESPACE,
            "name": name,
            "uid": f"uid-{self.revision}",
            "annotations": annotations or {},
        }
        if owner:
            meta["ownerReferences"] = [{"uid": _uid(owner), "controller": True}]
        obj = {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": {**meta, "generation": 1}}
        return self._write("ADDED", {**obj, "spec": spec, "status": {}})

    def _update(
        self, obj: Object, *, meta: Object | None = None, spec: Object | None = None, status: Object | None = None
    ) -> Object:
        """Write an object; its generation tells that its spec, or whether it is to live, has changed."""
        old = self.objects[_uid(obj)]
        deleted = "deletionTimestamp" in (meta or {})
        generation = old["metadata"]["generation"] + (spec is not None or deleted)
        parts = {"spec": spec or old["spec"], "status": old["status"] if status is None else status}
        return self._write(
            "MODIFIED", {**old, **parts, "metadata": {**old["metadata"], **(meta or {}), "generation": generation}}
        )

    def _remove(self, obj: Object) -> None:
        self._write("DELETED", self.objects[_uid(obj)])
        del self.objects[_uid(obj)]

    def _write(self, event: str, obj: Object) -> Object:
        revision = self.revision + 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
        self.writes.append(Write(revision, event, obj))
        self.objects[_uid(obj)] = obj
        return obj


def is_deleted(obj: Object) -> bool:
    """Whether an object is to go."""
    return "deletionTimestamp" in obj["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether a pod is there to stay, and runs."""
    statuses = pod["status"].get("containerStatuses", [])
    return not is_deleted(pod) and any("running" in each["state"] for each in statuses)


def restarts(pod: Object) -> int:
    """How often its container has been started again."""
    return sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))


def _pod_status(state: str, *, restarts: int = 0) -> Object:
    ready = "True" if state == "running" else "False"
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]
    container: Object = {"name": "main", "restartCount": restarts, "state": CONTAINER_STATES[state]}
    return {
        "phase": "Pending" if state == "waiting" else "Running",
        "conditions": conditions,
        "containerStatuses": [container],
    }


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _owner(obj: Object) -> str | None:
    owners = obj["metadata"].get("ownerReferences", [])
    return str(owners[0]["uid"]) if owners else None
