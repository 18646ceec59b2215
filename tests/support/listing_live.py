"""The listing of a real site: what becomes of it while pods come and go, and while stores, leaders and nodes are away.

Each function does one thing to the site, puts it right again, and returns what to note. Raises `AssertionError` where
the site did not hold what is promised.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.support.ansible import playbook
from tests.support.kubernetes import Kubernetes, succeed
from tests.support.listing import (
    APART,
    RESET,
    Endpoints,
    Load,
    Moves,
    Reader,
    Watcher,
    changes,
    connection_to,
    history,
    isolated,
    judged,
    lag,
    lasting,
    listed,
    missing,
    outage,
    p95,
    regressions,
    resumed,
    sent,
    told,
    unlike_a_history,
)
from tests.support.neighbours import hardware_of, led, ports_free_at_once
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from http.client import HTTPConnection

NAMESPACE, POOL, PUBLISHER, STORE, BUCKET = "slipway", "nginx-pool", "publisher", "object-store", "podlister"
HERE = f"--namespace={NAMESPACE}"
FRESH, WORST = 1.0, 2.5  # seconds from a change to its page: 95 of 100, and all of them
LASTED = 2.0  # a set that was there so long is in the history
LEADERLESS = 15.0  # seconds that nothing may be published when a leader was killed
PAST_THE_LEASE = 12.0
GOOD_IN_A_ROW, BACK = 20, 10.0  # requests, and seconds until the first of them after a power cut
RESET_A_MOVE, SLACK = 2, 0.2
CACHES = 0.5  # seconds by which what one pod of the pool gives out may be behind what another does
MARGIN = 0.15


@dataclass(frozen=True)
class Site:
    """The pool, the publisher and the stores of a Kubernetes."""

    kubernetes: Kubernetes = field(default_factory=Kubernetes)

    @cached_property
    def address(self) -> str:
        """Where the load balancer has the pool."""
        service = self.kubernetes.get("service", POOL, HERE)
        [ingress] = service["status"]["loadBalancer"]["ingress"]
        return str(ingress["ip"])

    @cached_property
    def url(self) -> str:
        """The same with its port."""
        [port] = self.kubernetes.get("service", POOL, HERE)["spec"]["ports"]
        return f"http://{self.address}:{port['port']}"

    def watcher(self) -> Watcher:
        """One of the pool."""
        return Watcher(self.kubernetes.kubeconfig, NAMESPACE, POOL)

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of a part of the site, those that are going too."""
        return self.kubernetes.items("pods", HERE, f"--selector=app.kubernetes.io/name={name}")

    def bounds(self, least: int, most: int) -> None:
        """Set those of the autoscaler, which goes by them whatever the load is."""
        patch = json.dumps({"spec": {"minReplicas": least, "maxReplicas": most}})
        self.kubernetes.kubectl("patch", "hpa", POOL, HERE, f"--patch={patch}")

    def size(self, count: int) -> None:
        """Have the pool so big, at once."""
        self.bounds(count, count)
        self.scale(POOL, count)

    def scale(self, deployment: str, count: int) -> None:
        """Set the replicas of a Deployment."""
        self.kubernetes.kubectl("scale", f"deployment/{deployment}", f"--replicas={count}", HERE)

    def available(self, deployment: str, *, within: float) -> None:
        """Wait until a Deployment is rolled out."""
        flags = (HERE, f"--timeout={within:.0f}s")
        self.kubernetes.kubectl("rollout", "status", f"deployment/{deployment}", *flags, timeout=within + 10)

    @contextmanager
    def held(self, count: int) -> Iterator[None]:
        """Have the pool so big and quiet at the beginning, and under its autoscaler again at the end."""
        spec = self.kubernetes.get("hpa", POOL, HERE)["spec"]
        self.size(count)
        try:
            eventually(lambda: len(self.pods(POOL)) == count, within=90, what=f"{count} pods of {POOL}", every=0.5)
            self.available(POOL, within=60)
            yield
        finally:
            self.bounds(spec["minReplicas"], spec["maxReplicas"])

    @property
    def leader(self) -> dict[str, Any]:
        """The pod of the publisher that holds the Lease."""
        holder = str(self.kubernetes.get("lease", PUBLISHER, HERE)["spec"].get("holderIdentity", ""))
        found = [pod for pod in self.pods(PUBLISHER) if holder.startswith(str(pod["metadata"]["name"]))]
        assert found, f"the Lease is of {holder or 'nobody'}, which is no pod"
        return found[0]

    def both_publish(self) -> None:
        """Wait until there is a leader and one to take over: a container killed again and again is started late."""
        self.available(PUBLISHER, within=150)

    def signal(self, pod: dict[str, Any], name: str) -> None:
        """Send a signal to the processes of a pod's only container, from its node."""
        [status] = pod["status"]["containerStatuses"]
        container = status["containerID"].rpartition("/")[2]
        script = f"cd /proc; for each in [0-9]*; do ! grep -qs {container} $each/cgroup || kill -{name} $each; done"
        succeed(self.kubernetes.on_node(pod["spec"]["nodeName"], "sh", "-c", script))

    def stores(self) -> list[str]:
        """The Deployments of the stores, the first to be asked first."""
        selector = f"--selector=app.kubernetes.io/name={STORE}"
        return sorted(str(each["metadata"]["name"]) for each in self.kubernetes.items("deployments", HERE, selector))

    def stored(self, store: str, key: str) -> Any:
        """What a store has there, past the pool."""
        path = f"/api/v1/namespaces/{NAMESPACE}/services/{store}:7070/proxy/{BUCKET}/{key}"
        return json.loads(self.kubernetes.kubectl("get", f"--raw={path}", timeout=10))

    def read_by(self, pod: str) -> Endpoints:
        """What a pod of the pool lists, past the load balancer, which spreads requests at random."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/index.json"
        return listed(json.loads(self.kubernetes.kubectl("get", f"--raw={path}", timeout=10)))

    def take_away(self, *stores: str) -> None:
        """Have these stores away."""
        for store in stores:
            self.scale(store, 0)
        eventually(lambda: not self._pods_of(stores), within=40, what=f"no pod of {', '.join(stores)}", every=0.3)

    def bring_back(self, *stores: str) -> None:
        """Have them again."""
        for store in stores:
            self.scale(store, 1)
        for store in stores:
            self.available(store, within=90)

    def _pods_of(self, stores: tuple[str, ...]) -> list[str]:
        names = [str(pod["metadata"]["name"]) for pod in self.pods(STORE)]
        return [name for name in names if name.startswith(tuple(f"{store}-" for store in stores))]

    def announcer(self) -> str:
        """The node that the address leads to."""
        return self.kubernetes.announcer(NAMESPACE, POOL)


@dataclass(frozen=True)
class Eyes:
    """What looks on meanwhile."""

    watcher: Watcher
    reader: Reader

    @property
    def generation(self) -> int:
        """The highest that was read."""
        return max((read.generation for read in list(self.reader.reads)), default=0)

    def right(self) -> bool:
        """Whether the last that was read is what there is."""
        assert self.reader.reads, "nothing read yet"
        shown, there = self.reader.reads[-1].endpoints, self.watcher.now
        assert shown == there, f"read {names(shown)}, there are {names(there)}"
        return bool(there)

    def settle(self, count: int, *, within: float = 30) -> None:
        """Wait until so many pods are ready, and listed."""
        eventually(lambda: len(self.watcher.now) == count, within=within, what=f"{count} pods ready", every=0.02)
        eventually(self.right, within=within, what="they are listed", every=0.02)

    def monotonic(self) -> None:
        """See that no old list came after a new one, but for the caches."""
        back = regressions(self.reader.reads, CACHES)
        assert not back, f"generations went back: {back[:10]}"


def names(endpoints: Any) -> str:
    """The pods, for messages."""
    return ", ".join(sorted(each.pod for each in endpoints)) or "none"


@contextmanager
def looking(site: Site) -> Iterator[Eyes]:
    """Watch and read the pool's listing."""
    with site.watcher() as watcher, Reader(site.url) as reader:
        eyes = Eyes(watcher, reader)
        eventually(eyes.right, within=30, what="the listing is right to begin with", every=0.05)
        yield eyes


def fresh(site: Site, count: int) -> str:
    """Have so many isolated changes of the pool; each is soon on the page."""
    took: dict[int, list[float]] = {2: [], 3: []}
    with site.held(2), looking(site) as eyes:
        for _ in range(2 * count):
            if len(isolated(changes(eyes.watcher.states))) > count:  # the last may yet turn out not to be one
                break
            _change(site, eyes, took)
        eventually(lambda: _quiet(eyes) >= APART, within=2 * APART, what="a while without a change", every=0.05)
        states, end = changes(eyes.watcher.states), time.monotonic()
    ends = dict(zip(states, [*(state.at for state in states[1:]), end], strict=True))
    lags = {state: lag(state, ends[state], eyes.reader.reads) for state in isolated(states)[:count]}
    never = [f"generation after {state.revision}: {names(state.endpoints)}" for state in lags if lags[state] is None]
    assert not never, f"never read: {'; '.join(never)}"
    seconds = [each for each in lags.values() if each is not None]
    note = (
        f"{len(seconds)} changes: median {median(seconds):.2f} s, p95 {p95(seconds):.2f} s, worst {max(seconds):.2f} s"
    )
    assert len(seconds) == count, f"of {len(states)} changes too few were isolated: {note}"
    assert p95(seconds) <= FRESH, note
    assert max(seconds) <= WORST, note
    assert not (failed := judged(eyes.reader.requests, [], 0)[0]), f"{note}; {told(failed)}"
    return note


def _change(site: Site, eyes: Eyes, took: dict[int, list[float]]) -> None:
    """Have one pod more or less, so that its coming or going is APART seconds after the last change."""
    size = 2 if len(eyes.watcher.now) == 3 else 3
    lead = min(took[size], default=0.0)
    wait = APART + MARGIN - lead
    eventually(lambda: _quiet(eyes) >= wait, within=wait + 5, what="a while without a change", every=0.02)
    began = time.monotonic()
    site.size(size)
    eventually(lambda: len(eyes.watcher.now) == size, within=30, what=f"{size} pods ready", every=0.02)
    took[size].append(changes(eyes.watcher.states)[-1].at - began)


def _quiet(eyes: Eyes) -> float:
    """Seconds since the last change."""
    return time.monotonic() - changes(list(eyes.watcher.states))[-1].at


def out_and_back(site: Site, most: int = 30) -> str:
    """Have the autoscaler scale the pool out and back by its bounds; what was there for a while is in the history."""
    with site.held(2), looking(site) as eyes:
        before, began = eyes.generation, time.monotonic()
        site.bounds(most, most)
        eyes.settle(most, within=150)
        out = time.monotonic() - began
        eventually(lambda: _quiet(eyes) >= LASTED + MARGIN, within=30, what="a while without a change", every=0.05)
        site.bounds(2, 2)
        eyes.settle(2, within=90)
        eventually(lambda: _quiet(eyes) >= LASTED + MARGIN, within=30, what="a while without a change", every=0.05)
        assert eyes.right()
        states = changes(eyes.watcher.states)[1:]
        entries = history(site.url, after=before)
        eyes.monotonic()
    long = lasting(states, LASTED, end=time.monotonic())
    lost = missing(long, entries)
    assert not lost, f"not in the history: {'; '.join(names(state.endpoints) for state in lost)}"
    assert not (wrong := unlike_a_history(entries)), "; ".join(wrong)
    assert any(len(listed(entry)) == most for entry in entries)
    return (
        f"2 to {most} pods listed in {out:.0f} s; {len(states)} sets, {len(long)} of them for {LASTED:g} s or more and "
        f"all in the history, of {len(entries)} entries"
    )


def stores_away(site: Site, seconds: float, requests: int) -> str:
    """Take one store away, then all of them for so long: every page is served; then all are brought up to date."""
    first, *others = site.stores()
    with (
        site.held(2),
        looking(site) as eyes,
        Load(site.url, rate=1.05 * requests / seconds) as load,
        ExitStack() as back,
    ):
        back.callback(site.bring_back, first, *others)
        site.take_away(first)
        site.size(3)
        eyes.settle(3)
        there = eyes.watcher.now
        eventually(  # what each shows while there are no stores is what it has read before
            lambda: all(site.read_by(each.pod) == there for each in there), within=10, what="all pods have read of all"
        )
        site.take_away(*others)
        gone = time.monotonic()

        def enough() -> bool:
            return time.monotonic() - gone >= seconds and len(load.since(gone)) >= requests

        eventually(enough, within=2 * seconds + 20, what=f"{requests} requests in {seconds:g} s", every=0.5)
        assert eyes.right()
        sent = len(load.since(gone))
        back.close()
        began = time.monotonic()
        site.size(2)
        eyes.settle(2)
        eventually(lambda: alike(site, first, *others), within=60, what="the stores are alike", every=0.3)
        caught_up = time.monotonic() - began
    failed = judged([*load.requests, *eyes.reader.requests], [], 0)[0]
    assert not failed, f"failed of {len(load.requests)}: {told(failed)}"
    stale = len(regressions(eyes.reader.reads, CACHES))
    return (
        f"all stores away for {seconds:g} s: {sent} requests, 0 of them and of {len(load.requests)} in all failed; "
        f"up to date {caught_up:.1f} s after; {stale} of {len(eyes.reader.reads)} reads behind others"
    )


def alike(site: Site, *stores: str) -> bool:
    """Whether all stores have the same listing and history, which is the newest."""
    for key in ("index.json", "history/latest.json"):
        found = [site.stored(store, key) for store in stores]
        assert all(each == found[0] for each in found), f"{key} differs: {', '.join(map(summary, found))}"
    return True


def summary(document: dict[str, Any]) -> str:
    """A listing, or the history's table of contents, in few words."""
    if "entries" in document:
        return f"{len(document['entries'])} entries"
    return f"generation {document['generation']}"


def store_emptied(site: Site) -> str:
    """Empty the volume of the last store while it is away; it is filled again, with the history too."""
    *others, last = site.stores()
    with site.held(2), looking(site) as eyes:
        full = [site.stored(last, "history/latest.json")]
        site.take_away(last)
        try:
            empty(site, last)
        finally:
            site.bring_back(last)
        began = time.monotonic()
        entries = eventually(lambda: entries_of(site, last, *others), within=120, what="it is filled again", every=0.3)
        filled = time.monotonic() - began
        assert eyes.right()
    assert len(entries) >= len(full[0]["entries"])
    failed = judged(eyes.reader.requests, [], 0)[0]
    assert not failed, told(failed)
    return f"filled again {filled:.1f} s after it was back, with {len(entries)} entries"


def entries_of(site: Site, store: str, *others: str) -> list[Any]:
    """The entries of the history that a store has: all that there are, and it is like the others."""
    alike(site, store, *others)
    return [site.stored(store, row["key"]) for row in site.stored(store, "history/latest.json")["entries"]]


def empty(site: Site, store: str) -> None:
    """Delete what is on the volume of a store, but for its uppermost directories."""
    [volume] = [
        each["spec"]["volumeName"]
        for each in site.kubernetes.items("persistentvolumeclaims", HERE)
        if each["metadata"]["name"].endswith(store)
    ]
    spec = site.kubernetes.get("persistentvolume", volume)["spec"]
    path = (spec.get("local") or spec["hostPath"])["path"]
    [term] = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    [node] = term["matchExpressions"][0]["values"]
    succeed(site.kubernetes.on_node(node, "find", path, "-mindepth", "2", "-delete"))


def leader_killed(site: Site, change: Callable[[], None] | None = None) -> str:
    """Kill the leader, then change the pool: another publishes soon, and no history is lost."""
    site.both_publish()
    with site.held(2), looking(site) as eyes:
        before = history(site.url)
        site.signal(site.leader, "KILL")
        killed = time.monotonic()
        (change or (lambda: site.size(3)))()
        seconds = _resumed(eyes, killed)
        eventually(eyes.right, within=30, what="the listing is right", every=0.05)
        lost = {entry["history"] for entry in before[:50]} - {entry["history"] for entry in history(site.url)}
        eyes.monotonic()
    assert not lost, f"lost of the history: {sorted(lost)}"
    return f"leader killed: published again after {seconds:.1f} s"


def leader_stopped(site: Site, change: Callable[[], None] | None = None) -> str:
    """Stop the leader until past its lease, then have it go on beside its successor."""
    site.both_publish()
    with site.held(2), looking(site) as eyes, ExitStack() as going:
        before, leader = eyes.generation, site.leader
        site.signal(leader, "STOP")
        going.callback(site.signal, leader, "CONT")
        stopped = time.monotonic()
        (change or (lambda: site.size(3)))()
        seconds = _resumed(eyes, stopped)
        successor = site.leader["metadata"]["name"]
        eventually(
            lambda: time.monotonic() - stopped >= PAST_THE_LEASE, within=PAST_THE_LEASE, what="its lease is over"
        )
        going.close()
        continued = time.monotonic()
        site.size(2 if len(eyes.watcher.now) == 3 else 3)
        eventually(lambda: _quiet(eyes) < time.monotonic() - continued, within=30, what="a change", every=0.05)
        eventually(lambda: _quiet(eyes) >= 5, within=60, what="a while without a change", every=0.1)
        assert eyes.right()
        entries = history(site.url, after=before)
        eyes.monotonic()
        [now] = [pod for pod in site.pods(PUBLISHER) if pod["metadata"]["uid"] == leader["metadata"]["uid"]]
    assert successor != leader["metadata"]["name"], "the leader that was stopped has no successor"
    assert _restarts(now) == _restarts(leader), "it was started again, rather than going on"
    assert not (wrong := unlike_a_history(entries)), "; ".join(wrong)
    return f"leader stopped and continued: published again after {seconds:.1f} s, generations in order"


def _restarts(pod: dict[str, Any]) -> int:
    return sum(int(each["restartCount"]) for each in pod["status"]["containerStatuses"])


def _resumed(eyes: Eyes, at: float) -> float:
    seconds = eventually(
        lambda: resumed(list(eyes.reader.reads), at), within=3 * LEADERLESS, what="a newer listing", every=0.05
    )
    assert seconds, "unreachable: eventually() returns what is true"
    assert seconds <= LEADERLESS, f"nothing was published for {seconds:.1f} s"
    return seconds


def restart(site: Site) -> None:
    """Replace all pods of the pool, to the end of those that go."""
    site.kubernetes.kubectl("rollout", "restart", f"deployment/{POOL}", HERE)
    site.available(POOL, within=180)
    going = "metadata.deletionTimestamp"
    eventually(
        lambda: not [pod for pod in site.pods(POOL) if going.rpartition(".")[2] in pod["metadata"]],
        within=60, what="the old pods are gone", every=0.3,
    )  # fmt: skip


@contextmanager
def nothing_noticed(site: Site) -> Iterator[list[str]]:
    """Send requests meanwhile: none fails but what a move of the address resets. The note is in the list at the end."""
    note: list[str] = []
    with Moves(site.address) as moves, Load(site.url) as load:
        yield note
    failed, apart = judged(load.requests, moves.times, SLACK)
    note.append(
        f"{len(load.requests)} requests, 0 failed; the address moved {len(moves.times)} times, "
        f"{sum(apart.values())} open requests reset"
    )
    assert not failed, (
        f"failed of {len(load.requests)}: {told(failed)}, begun {_at(load, [each.began for each in failed])}; "
        f"moves {_at(load, moves.times)}, which reset {sum(apart.values())}"
    )
    assert max(apart.values(), default=0) <= RESET_A_MOVE, f"reset, by the move: {apart}"


def _at(load: Load, times: Iterable[float]) -> str:
    """Moments, as seconds since the first request."""
    first = min(request.began for request in load.requests)
    return f"at {', '.join(f'{each - first:.1f}' for each in times) or 'no time'} s"


def rolling_restart(site: Site) -> str:
    """Replace all pods of the pool under load."""
    with site.held(2), nothing_noticed(site) as note:
        restart(site)
    return note[0]


def node_maintained(site: Site, node: str) -> str:
    """Drain and reboot a node under load, as the playbook does it."""
    with nothing_noticed(site) as note:
        answer = succeed(playbook("drill_node", {"vm_set": site.kubernetes.vm_set, "drill_node": node}, timeout=300))
    site.kubernetes.settle()
    return f"{node}: {note[0]}; took {answer.seconds:.0f} s"


def ports_known(site: Site, count: int) -> str:
    """Move the address to a node that knows the ports of all open connections from older ones: each is to be reset."""
    there, here = (hardware_of(address) for address in list(site.kubernetes.addresses.values())[:2])
    with led(site.address) as lead, ports_free_at_once():
        lead(there)
        ports = [_ended(_connected(site)) for _ in range(count)]
        lead(here)
        opened = [_connected(site, port) for port in ports]
        lead(there)
        outcomes = Counter(sent(connection, "/").outcome for connection in opened)
    note = f"{count} connections open when the address moves to a node that knows their ports: {dict(outcomes)}"
    assert outcomes == {RESET: count}, note
    return note


def _connected(site: Site, port: int = 0) -> HTTPConnection:
    """An open connection from a port, by default any."""
    connection = connection_to(site.url, port=port)
    connection.connect()
    return connection


def _ended(connection: HTTPConnection) -> int:
    """Use a connection to its end; return its port."""
    port = int(connection.sock.getsockname()[1])
    assert sent(connection, "/").outcome == "200"
    return port


def power_cut(site: Site) -> float:
    """Pull the plug of the node that announces the address, and put it back; return the seconds without service."""
    site.available(POOL, within=60)
    node = site.announcer()
    try:
        with Load(site.url) as load:
            eventually(lambda: len(load.since(0)) >= 100, within=10, what="requests")
            site.kubernetes.machines(node, vm_state="poweroff")
            dark = time.monotonic()
            eventually(lambda: _steady(load, dark), within=60, what="the pool answers again", every=0.2)
    finally:
        site.kubernetes.machines(node, vm_state="started")
    site.kubernetes.settle()
    for deployment in (POOL, PUBLISHER, *site.stores()):
        site.available(deployment, within=90)
    seconds = outage(load.requests, GOOD_IN_A_ROW)
    assert seconds is not None, told(load.requests)
    assert seconds > 0, f"{node} was without power and nobody noticed: it does not announce {site.address}"
    return seconds


def _steady(load: Load, since: float) -> bool:
    """Whether the requests of the last 3 s, more than 3 s after a moment, were all good."""
    now = time.monotonic()
    last = load.since(now - 3)
    assert now - since > 3
    assert all(request.good for request in load.since(now - 5) if request.ended > now - 3), told(last)
    return len(last) > GOOD_IN_A_ROW


def power_cuts(site: Site, count: int, bound: float = BACK) -> str:
    """Pull it so many times; the median of what it takes is bounded."""
    seconds = [power_cut(site) for _ in range(count)]
    note = f"good again after {', '.join(f'{each:.1f}' for each in seconds)} s, median {median(seconds):.1f} s"
    assert median(seconds) <= bound, note
    return note
