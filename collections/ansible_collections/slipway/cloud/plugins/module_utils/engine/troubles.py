# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with pods, and why there are none: from their status, and from events, nodes and logs once read. Pure.

Reasons and messages are those of the kubelet (pkg/kubelet/images, kuberuntime and volumemanager), of containerd's
resolver, and of the API server's admission. Where a message tells more than its reason, the first row that fits counts.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from .diagnosis import Ask, Evidence, Rule, Trouble, condition, container_statuses
from .scheduling import candidates, missing_labels, shortfalls

if t.TYPE_CHECKING:
    from .resources import Object

SUSPICION = 5.0  # seconds without progress after which events are worth a look
_DOUBT = 10.0  # and those after which the nodes are
_MOST_RESTARTS = 3  # by then a container has crashed for half a minute, in spite of the kubelet's growing delays
_MOST_FULL_NODES = 8  # whose pods are read to tell what fills them
_MOST_EVENTS, _MOST_LOG_LINES = 3, 6
_REPEATING = {"BackOff", "Failed", "FailedScheduling"}  # events that say what the status of the pod says too
_SUSPECT = Rule("")
_NODES = Ask("nodes")

Row = tuple[re.Pattern[str], Rule, str]
"""A pattern of a message, the rule for it, and a summary: a template of the pattern's groups and the caller's names."""


def _row(pattern: str, rule: Rule, what: str) -> Row:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), rule, what


_HINT_IMAGE = "Check the image's name and tag; push it, or import it on the nodes."
_NO_IMAGE = Rule("image_not_found", _HINT_IMAGE, recoverable=False, patience=0.0)
_DENIED = Rule(
    "image_pull_failed",
    "Give the pod or its service account an image pull secret for this registry; a repository that does not exist may "
    "be refused like this too.",
    recoverable=False,
    patience=0.0,
)
_RESOLVER = Rule("image_pull_failed", "Check the registry's name, and the resolver of the nodes.", patience=10.0)
_CONNECTION = Rule("image_pull_failed", "Is the registry running, and do the nodes reach it?", patience=10.0)
_TLS = Rule("image_pull_failed", "Tell containerd of the nodes how this registry speaks: certs.d.", patience=10.0)
_LATER = Rule("image_pull_failed", "Wait, or log in to the registry for a higher limit.", patience=60.0)
_PULL = Rule("image_pull_failed", "Read the message; try the pull on the node: crictl pull.", patience=60.0)

_PULL_ERRORS: tuple[Row, ...] = (
    _row(
        r"pull access denied|unauthorized|authentication required|\bdenied\b|40[13] |forbidden|insufficient_scope"
        r"|no basic auth credentials",
        _DENIED,
        "the registry refuses to hand out the image {image} (denied)",
    ),
    _row(
        r"no such host|server misbehaving|lookup [^ ]+( on [^ ]+)?:|name resolution",
        _RESOLVER,
        "the name of the registry of image {image} cannot be resolved (resolver)",
    ),
    _row(
        r"x509:|certificate|HTTP response to HTTPS client|first record does not look like a TLS",
        _TLS,
        "the registry of image {image} is not trusted or speaks another protocol (TLS)",
    ),
    _row(r"toomanyrequests|429 |too many requests", _LATER, "the registry limits pulls of image {image} (rate limit)"),
    _row(
        r"dial tcp|connection refused|i/o timeout|no route to host|unreachable|connection reset|handshake timeout"
        r"|deadline exceeded|\bEOF\b|proxyconnect",
        _CONNECTION,
        "the registry of image {image} does not answer (connection)",
    ),
    _row(
        r"not found|manifest unknown|name unknown|does not exist|no match for platform",
        _NO_IMAGE,
        "image {image} does not exist",
    ),
    _row("", _PULL, "image {image} cannot be pulled"),
)

_CONFIG = Rule(
    "config_missing",
    "Create it in the namespace of the pod, or correct the reference.",
    recoverable=False,
    patience=3.0,
)
_NOT_SYNCED = Rule("config_pending")  # the kubelet has not asked yet: a busy API server, no fault
_COMING = Rule("config_pending", "It exists by now; it will be seen at the next attempt.")
_MISSING = re.compile(r"(?P<kind>configmap|secret|service account) (?P<name>\S+) does not exist", re.IGNORECASE)
_CONTAINER_CONFIG = Rule("container_invalid", "Correct the pod's specification.", recoverable=False, patience=5.0)
_CONFIG_ERRORS: tuple[Row, ...] = (
    _row(r"failed to sync|timed out waiting for the condition|not registered", _NOT_SYNCED, "{message}"),
    _row(r'(?P<kind>configmap|secret) "(?P<name>[^"]+)" not found', _CONFIG, "{kind} {name} does not exist"),
    _row(
        r"couldn't find key (?P<key>\S+) in (?P<kind>configmap|secret) (\S+/)?(?P<name>[^\s/]+)",
        _CONFIG,
        "{kind} {name} has no key {key}",
    ),
    _row(r"references non-existent \w+ key: (?P<key>\S+)", _CONFIG, "a config map or secret has no key {key}"),
)
_ANY_CONFIG_ERROR = _row("", _CONTAINER_CONFIG, "container {container} cannot be configured: {message}")

_COMMAND = Rule(
    "container_failed", "Correct command and args: is that program in the image?", recoverable=False, patience=5.0
)
_START = Rule("container_failed", "Check command, args and mounts.", patience=60.0)
_START_ERRORS: tuple[Row, ...] = (
    _row(
        r"executable file not found|exec: .*(no such file or directory|permission denied)|exec format error",
        _COMMAND,
        "container {container} cannot be started: its command does not run in this image",
    ),
    _row("", _START, "container {container} cannot be started"),
)
_INVALID_IMAGE = _row("", replace(_NO_IMAGE, hint="Write the image as registry/name:tag."), "{image} is no image name")
_NEVER_PULLED = _row(
    "",
    replace(_NO_IMAGE, hint="Import the image on the nodes, or let them pull it: image_pull_policy."),
    "image {image} is not on the node and must not be pulled",
)
_WAITING: dict[str, tuple[Row, ...]] = {
    "InvalidImageName": (_INVALID_IMAGE,),
    "ErrImageNeverPull": (_NEVER_PULLED,),
    "ErrImagePull": _PULL_ERRORS,
    "ImagePullBackOff": _PULL_ERRORS,
    "RegistryUnavailable": _PULL_ERRORS,
    "SignatureValidationFailed": _PULL_ERRORS,
    "CreateContainerConfigError": (*_CONFIG_ERRORS, _ANY_CONFIG_ERROR),
    "CreateContainerError": _START_ERRORS,
    "RunContainerError": _START_ERRORS,
}

_CRASH = Rule("crash_loop", "Read the whole log: kubectl logs --previous --namespace={namespace} {pod} {container}")
_MEMORY = Rule("out_of_memory", "Raise the memory limit, or have the program need less.")
_PROBE = Rule("probe_failed", "Check what the probe asks for, and its times.", patience=60.0)

_VOLUME = Rule("volume_pending", "Check the claim, its storage class and the driver of the volume.")
_SANDBOX = Rule("sandbox_failed", "Is the network plugin of the node running?")
_POD_EVENTS: dict[str, tuple[Row, ...]] = {
    "FailedMount": (*_CONFIG_ERRORS, _row("", _VOLUME, "a volume cannot be mounted")),
    "FailedAttachVolume": (_row("", _VOLUME, "a volume cannot be attached to the node"),),
    "FailedCreatePodSandBox": (_row("", _SANDBOX, "the node cannot make the pod's sandbox"),),
}
_NODE = Rule("node_not_ready", "Look after the node: is its kubelet running, does it reach the API server?")
_EVICTED = Rule("pod_evicted", "Look at what the node is short of: kubectl describe node.")

_UNSCHEDULABLE = Rule("unschedulable", "Compare what the pod asks for with what the nodes have; add or free some.")
_LABEL = Rule("node_label_missing", recoverable=False, patience=5.0)
_CLAIMS: tuple[Row, ...] = (
    _row(r'persistentvolumeclaim "(?P<name>[^"]+)" not found', _VOLUME, "PersistentVolumeClaim {name} does not exist"),
    _row(
        "persistentvolumeclaim|persistent volume|volume node affinity|volume binding",
        _VOLUME,
        "a volume of its pods is not there yet",
    ),
)

_HINT_CREATE = "Satisfy the rule that the message names."
_CREATION: tuple[Row, ...] = (
    _row(
        "exceeded quota: (?P<name>[^,]+)",
        Rule(
            "quota_exceeded",
            "Raise the ResourceQuota, free what counts against it, or ask for less.",
            recoverable=False,
            patience=5.0,
        ),
        "ResourceQuota {name} leaves no room for its pods",
    ),
    # A namespace's own service account comes a moment after the namespace, later still where the API server is busy.
    _row(
        r'serviceaccount "(?P<name>[^"]+)" not found',
        Rule("service_account_missing", "Create the service account.", recoverable=False, patience=10.0),
        "service account {name} does not exist",
    ),
    _row(
        "failed calling webhook|failed to call webhook",
        Rule("webhook_unavailable", "Whoever registered the webhook has to answer: does its pod run?", patience=60.0),
        "an admission webhook does not answer",
    ),
    _row(
        "being terminated",
        Rule("namespace_terminating", "Use another namespace, or wait and create it again.", False, 3.0),
        "its namespace is being deleted",
    ),
    _row(
        "is invalid:",
        Rule("pod_invalid", "Correct the pod template.", recoverable=False, patience=3.0),
        "the API server finds its pods invalid",
    ),
    _row(
        "forbidden|denied|admission|not allowed|violates",
        Rule("admission_denied", _HINT_CREATE, recoverable=False, patience=3.0),
        "admission refuses its pods",
    ),
    _row("", Rule("pods_not_created", "Read the message.", patience=60.0), "its pods cannot be created"),
)


def _first(rows: t.Iterable[Row], message: str, **names: str) -> tuple[Rule, str] | None:
    """Return the rule and summary of the first row whose pattern is in the message."""
    for pattern, rule, what in rows:
        found = pattern.search(message)
        if found:
            groups = {key: value for key, value in found.groupdict().items() if value}
            return rule, what.format(**{**names, "message": message, **groups})
    return None


def creation_trouble(owner: Object, message: str, evidence: Evidence, *, room_will_come: bool = False) -> Trouble:
    """Return why a controller cannot create pods, from what the API server answered it.

    :param room_will_come: whether pods of an older revision are still there, whose end frees their share of a quota.
    """
    rule, what = t.cast("tuple[Rule, str]", _first(_CREATION, message))
    if room_will_come and rule.code == "quota_exceeded":
        rule = replace(rule, recoverable=True, patience=None)
    rule, asks = _second_look(rule, what, owner["metadata"].get("namespace", ""), evidence)
    return Trouble(("create",), rule, what, (f"FailedCreate: {message}",), asks, after=rule.patience or 0.0)


def _second_look(rule: Rule, what: str, namespace: str, evidence: Evidence) -> tuple[Rule, tuple[Ask, ...]]:
    """Have somebody look for what is said to be missing before it counts as fatal, and return what that means.

    It may have come meanwhile: controllers and kubelets try again ever more rarely.
    """
    missing = _MISSING.fullmatch(what)
    if missing is None:
        return rule, ()
    kind = missing["kind"].lower().replace(" ", "")
    ask = Ask(t.cast("t.Any", kind), namespace, missing["name"])
    return (_COMING if evidence.exists.get(ask) else rule), (ask,)


def creation_troubles(owner: Object, pods: t.Sequence[Object], evidence: Evidence) -> list[Trouble]:
    """Return why a controller without a condition for it cannot create pods: its newest event, if no pod came since."""
    failures = [each for each in evidence.events if each.get("reason") == "FailedCreate" and _about(each, owner)]
    newest = max(failures, key=event_time, default=None)
    if newest is None or any(pod["metadata"].get("creationTimestamp", "") > event_time(newest)[:19] for pod in pods):
        return []
    return [creation_trouble(owner, str(newest.get("message", "")), evidence)]


def too_few(owner: Object, pods: t.Sequence[Object], wanted: int) -> list[Trouble]:
    """Return the suspicion that a controller cannot create pods: only events tell why."""
    if len(pods) >= wanted:
        return []
    asks = (Ask("events", owner["metadata"].get("namespace", "")),)
    return [Trouble(("few", len(pods)), _SUSPECT, asks=asks, after=SUSPICION)]


def pod_troubles(pods: t.Iterable[Object], evidence: Evidence) -> list[Trouble]:
    """Return everything that is wrong with some pods, suspicions among it."""
    return [trouble for pod in pods for trouble in _Pod(pod, evidence).troubles()]


def event_time(event: Object) -> str:
    """Return when an event happened last, as the API server writes times; they compare as text."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(each) for each in times if each), "")


def lines_about(obj: Object, evidence: Evidence) -> tuple[str, ...]:
    """Return what the events of an object say."""
    return tuple(_event_lines(each for each in evidence.events if _about(each, obj)))


def _event_lines(events: t.Iterable[Object]) -> list[str]:
    """Return a line for each different message of some events, the newest first."""
    lines: dict[str, None] = {}
    for event in sorted(events, key=event_time, reverse=True):
        count = (event.get("series") or {}).get("count") or event.get("count") or 1
        times = f" ({count} times)" if count > 1 else ""
        lines.setdefault(f"event {event.get('reason')}{times}: {str(event.get('message', '')).strip()}")
    return list(lines)[:_MOST_EVENTS]


def _about(event: Object, obj: Object) -> bool:
    return bool(event.get("involvedObject", {}).get("uid") == obj["metadata"].get("uid"))


class _Pod:
    """One pod and what is known of it."""

    def __init__(self, pod: Object, evidence: Evidence) -> None:
        self.pod = pod
        self.evidence = evidence
        self.meta, self.spec, self.status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
        self.uid = str(self.meta.get("uid", self.meta["name"]))
        self.events = [each for each in evidence.events if _about(each, pod)]
        self.ask_events = Ask("events", self.meta.get("namespace", ""))
        every = (*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ()))
        self.containers = {each["name"]: each for each in every}

    def troubles(self) -> t.Iterator[Trouble]:
        """Yield what is wrong with it."""
        if self.status.get("phase") == "Failed":
            yield from self._ended()
            return
        if condition(self.pod, "PodScheduled").get("reason") in ("Unschedulable", "SchedulingGated"):
            yield from self._unscheduled()
            return
        statuses = container_statuses(self.pod)
        for status in statuses:
            yield from self._of_container(status)
        if not any("running" in each.get("state", {}) for each in statuses):
            yield from self._held()
        yield from self._of_node()

    def _trouble(self, part: str, rule: Rule, what: str, *lines: str, container: str = "", **more: t.Any) -> Trouble:
        """Return a trouble of this pod, with the pod and its events as evidence."""
        node = f" on node {self.spec['nodeName']}" if self.spec.get("nodeName") else ""
        where = f"pod {self.meta['name']}{node}" + (f", {self._called(container)}" if container else "")
        told = {line.partition(":")[0] for line in lines} | _REPEATING
        events = _event_lines(each for each in self.events if each.get("reason") not in told)
        log = [f"log: {line}" for line in self._log(more.get("log"))]
        rule, seen = _second_look(rule, what, self.meta.get("namespace", ""), self.evidence)
        asks = (*more.pop("asks", (self.ask_events,)), *seen)
        if seen:
            more["after"] = rule.patience or 0.0
        names = {"namespace": self.meta.get("namespace", ""), "pod": self.meta["name"], "container": container}
        rule = replace(rule, hint=rule.hint.format(**names))
        return Trouble((self.uid, part), rule, what, (where, *lines, *events, *log), asks, **more)

    def _called(self, container: str) -> str:
        first = any(container == each["name"] for each in self.spec.get("initContainers") or ())
        return f"init container {container}" if first else f"container {container}"

    def _log(self, ask: Ask | None) -> list[str]:
        return list(self.evidence.logs.get(ask, ())[-_MOST_LOG_LINES:]) if ask else []

    def _of_container(self, status: Object) -> t.Iterator[Trouble]:
        name, state = status.get("name", ""), status.get("state", {})
        waiting = state.get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        names = {"container": name, "image": self.containers.get(name, {}).get("image") or status.get("image", "")}
        if reason in _WAITING:
            message = self._detailed(reason, message)
            # An image may be called not-found.
            found = _first(_WAITING[reason], message.replace(names["image"] or "\n", ""), **names)
            if found:
                # The part is not the reason: pulls go back and forth between two of them.
                yield self._trouble(f"{name} waits", *found, f"{reason}: {message}".rstrip(": "), container=name)
            return
        crash = self._crash(name, status)
        if crash:
            yield crash
        elif "running" in state and not status.get("ready", True) and not self._initialises(name):
            yield from self._unready(name)

    def _initialises(self, name: str) -> bool:
        return any(name == each["name"] for each in self.spec.get("initContainers") or ())

    def _detailed(self, reason: str, message: str) -> str:
        """Return the message; for the back-off of an older kubelet, which does not say why, that of the pull before."""
        if reason != "ImagePullBackOff" or "rror" in message:
            return message
        pulls = [each for each in self.events if str(each.get("message", "")).startswith("Failed to pull image")]
        return str(max(pulls, key=event_time)["message"]) if pulls else message

    def _crash(self, name: str, status: Object) -> Trouble | None:
        """Return the trouble of a container that ended though it should not have, and is not well again."""
        state = status.get("state", {})
        last = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
        restarts = int(status.get("restartCount", 0))
        crashes = restarts - self.evidence.restarts.get((self.uid, name), 0)
        backing_off = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        if not last or status.get("ready") or not (backing_off or "terminated" in state or crashes > 0):
            return None
        code = int(last.get("exitCode", 0))
        if code == 0 and not backing_off:
            return None  # it has done its work
        rule, what = self._why_ended(name, last, code)
        if rule.patience is None:
            exhausted = crashes >= _MOST_RESTARTS and "running" not in state
            rule = replace(rule, patience=0.0 if exhausted else None)
        ended = f"ended with exit code {code} ({last.get('reason', 'Error')}), started again {restarts} times"
        words = str(last.get("message") or "").strip()
        in_log = Ask(
            "log", self.meta.get("namespace", ""), self.meta["name"], name, 0 if "terminated" in state else restarts
        )
        return self._trouble(
            f"{name} crashes", rule, what, ended, *([words] if words else []), container=name, log=in_log
        )

    def _why_ended(self, name: str, last: Object, code: int) -> tuple[Rule, str]:
        if last.get("reason") == "OOMKilled":
            limit = ((self.containers.get(name, {}).get("resources") or {}).get("limits") or {}).get("memory")
            bound = f"its memory limit {limit}" if limit else "the memory there is"
            return _MEMORY, f"{self._called(name)} needs more than {bound}"
        if last.get("reason") in ("StartError", "ContainerCannotRun"):
            return t.cast("tuple[Rule, str]", _first(_START_ERRORS, str(last.get("message", "")), container=name))
        if any(
            kind in str(each.get("message", ""))
            for each in self._probe_events(name)
            for kind in ("Liveness", "Startup")
        ):
            return replace(_PROBE, patience=None), f"{self._called(name)} is ended because its probe fails"
        return _CRASH, f"{self._called(name)} ends again and again, with exit code {code}"

    def _probe_events(self, name: str) -> list[Object]:
        return [
            each
            for each in self.events
            if each.get("reason") == "Unhealthy"
            and f"{{{name}}}" in each.get("involvedObject", {}).get("fieldPath", "")
        ]

    def _unready(self, name: str) -> t.Iterator[Trouble]:
        """Yield the trouble of a container that runs and is not ready: only events tell whether its probe fails."""
        if self._probe_events(name):
            yield self._trouble(f"{name} probe", _PROBE, f"the probe of {self._called(name)} fails", container=name)
        yield from self._suspicions(f"{name} unready")

    def _suspicions(self, part: str) -> t.Iterator[Trouble]:
        yield Trouble((self.uid, part, "events"), _SUSPECT, asks=(self.ask_events,), after=SUSPICION)
        yield Trouble((self.uid, part, "nodes"), _SUSPECT, asks=(_NODES,), after=_DOUBT)

    def _held(self) -> t.Iterator[Trouble]:
        """Yield what keeps a scheduled pod from starting its containers."""
        statuses = container_statuses(self.pod)
        waiting = {(each.get("state", {}).get("waiting") or {}).get("reason") for each in statuses}
        if not self.spec.get("nodeName") or waiting - {"ContainerCreating", "PodInitializing"}:
            return
        yield from self._suspicions("held")
        for event in sorted(self.events, key=event_time, reverse=True):
            reason, message = str(event.get("reason")), str(event.get("message", ""))
            found = _first(_POD_EVENTS.get(reason, ()), message)
            if found:
                yield self._trouble("held by", *found, f"{reason}: {message}")
                return

    def _of_node(self) -> t.Iterator[Trouble]:
        name = self.spec.get("nodeName")
        for node in self.evidence.nodes:
            ready = condition(node, "Ready")
            if node["metadata"]["name"] == name and ready and ready.get("status") != "True":
                lines = (f"{name}: {ready.get('reason')}: {ready.get('message')}",)
                yield self._trouble("node", _NODE, f"node {name} is not ready", *lines, asks=(_NODES,))

    def _ended(self) -> t.Iterator[Trouble]:
        reason, message = str(self.status.get("reason", "")), str(self.status.get("message", ""))
        if reason:
            yield self._trouble("ended", _EVICTED, f"a pod was ended: {reason}", message)
            return
        for status in container_statuses(self.pod):
            crash = self._crash(status.get("name", ""), status)
            if crash:
                yield crash

    def _unscheduled(self) -> t.Iterator[Trouble]:
        said = condition(self.pod, "PodScheduled")
        message, nodes = str(said.get("message", "")), self.evidence.nodes
        line = f"{said['reason']}: {message}"
        missing = missing_labels(self.pod, nodes) if nodes else []
        claims = _first(_CLAIMS, message)
        if missing:
            label = ", ".join(missing)
            rule = replace(_LABEL, hint=f"Label a node: kubectl label node NAME {missing[0]}, or change node_selector.")
            plural = "s" * (len(missing) > 1)
            what = f"none of {len(nodes)} nodes has the label{plural} {label}"
            yield self._trouble("scheduling", rule, what, line, asks=(_NODES,))
        elif claims:
            yield self._trouble("scheduling", *claims, line, *self._claim_lines())
        else:
            lacks = shortfalls(self.pod, nodes, self.evidence.used)
            full = candidates(self.pod, nodes)[:_MOST_FULL_NODES]
            asks = (_NODES, *(Ask("pods", name=name) for name in full))
            yield self._trouble("scheduling", _UNSCHEDULABLE, "no node takes its pods", line, *lacks, asks=asks)

    def _claim_lines(self) -> list[str]:
        claims = {(each.get("persistentVolumeClaim") or {}).get("claimName") for each in self.spec.get("volumes") or ()}
        events = [
            each
            for each in self.evidence.events
            if each.get("involvedObject", {}).get("kind") == "PersistentVolumeClaim"
            and each["involvedObject"].get("name") in claims
        ]
        return [f"claim {each['involvedObject']['name']}: {each.get('message', '')}" for each in events[-2:]]
