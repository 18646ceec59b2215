"""One run: writers write, something is done to Redis, and what they were told is compared with what is there."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import checker, pods, writer
from tests.faults.faults import AGAIN, Fault
from tests.faults.history import History, acked, parsed
from tests.faults.redis_site import DATA, SENTINEL
from tests.faults.report import SAFE, Evidence, Report, reported, wrong
from tests.faults.writer import Plan, UnsureError
from tests.support.paths import CHECKOUT
from tests.support.processes import beside
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.faults.redis_site import Site

BEFORE = 0.2  # the part of the writes that is acknowledged before the fault
STEADY = 2.0  # seconds of writes after everything
ENOUGH = 300.0  # seconds in which all writes must be acknowledged
PROGRAM = Path(writer.__file__)
KEPT = CHECKOUT / "build" / "faults"


# -- the writers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writers:
    """The writers in pods, and those on this machine who write through the load balancer."""

    site: Site
    plans: Mapping[str, Plan]
    outside: Plan
    home: Path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have them write."""
        with ExitStack() as stack:
            if self.outside.clients:
                plan = self.home / "outside.json"
                plan.write_text(pods.document(self.outside))
                command = [sys.executable, str(PROGRAM), "write", str(plan), str(self.home / "outside"), "--stay"]
                stack.enter_context(beside(command, log=self.home / "outside.log"))
            if self.plans:
                stack.callback(self._removed)
                self._removed()
                self._applied()
            yield

    def _applied(self) -> None:
        kubernetes, program = self.site.kubernetes, PROGRAM.read_text(encoding="utf-8")
        objects = pods.objects(self.site.namespace, self.site.template, self.plans, program)
        kubernetes.apply(objects, into=self.home / "pods.json", namespace=self.site.namespace)
        names = [f"pod/{pods.pod_name(node)}" for node in self.plans]
        self.site.kubectl("wait", *names, "--for=condition=Ready", "--timeout=60s", timeout=70)

    def _removed(self) -> None:
        selector = f"--selector=app.kubernetes.io/name={pods.NAME}"
        self.site.kubectl("delete", "pod,configmap", selector, "--wait=true", timeout=60)

    @cached_property
    def directories(self) -> dict[str, str]:
        """The journals' directories on the nodes, which are there whatever the kubelets do."""
        return {node: self._directory(node) for node in self.plans}

    def _directory(self, node: str) -> str:
        uid = self.site.kubernetes.get("pod", pods.pod_name(node), self.site.here)["metadata"]["uid"]
        return f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/journal"

    def file(self, node: str, name: str) -> str:
        """A file of a node's writers; of those on this machine for "". Raises `AssertionError`."""
        if not node:
            path = self.home / "outside" / name
            assert path.exists(), f"{path} is not there"
            return path.read_text()
        answer = self.site.kubernetes.on_node(node, "cat", f"{self.directories[node]}/{name}")
        assert answer.code == 0, f"{node}: {answer.output}"
        return answer.output

    @property
    def where(self) -> list[str]:
        """The nodes with writers; "" for this machine."""
        return [*self.plans, *([""] if self.outside.clients else [])]

    def status(self) -> dict[str, dict[str, float]]:
        """How many of each client were acknowledged, and when the last was."""
        found: dict[str, dict[str, float]] = {}
        for each in self.where:
            found |= json.loads(self.file(each, "status"))
        return found

    def stop(self) -> None:
        """Have all end what they began, and no more."""
        for each in self.where:
            if each:
                self.site.kubernetes.on_node(each, "touch", f"{self.directories[each]}/stop")
            else:
                (self.home / "outside" / "stop").touch()
        eventually(self._ended, within=30, what="writers end", every=0.2)

    def _ended(self) -> bool:
        return all(self.file(each, "done") == "" for each in self.where)

    def history(self) -> History:
        """All that they recorded."""
        found = History()
        for each in self.where:
            found += parsed(self.file(each, "journal").splitlines(keepends=True))
        return found

    def stored(self) -> dict[tuple[str, int], list[int]]:
        """What Redis has of those in pods; it has no more of it then."""
        if not self.plans:
            return {}
        answer = self.site.kubectl("exec", pods.pod_name(next(iter(self.plans))), "--", *pods.STORED, timeout=60)
        lists: dict[str, list[list[int]]] = json.loads(answer)
        return {(client, number): found for client, each in lists.items() for number, found in enumerate(each)}


# -- the run -----------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """The `faults.Scene` of a run."""

    site: Site
    master: str
    node: str
    writers: Writers
    notes: list[tuple[float, str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Note what happens, now."""
        self.notes.append((time.time(), text))
        print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)

    def resumed(self, *clients: str, within: float = AGAIN) -> None:
        """Wait until clients are acknowledged what they send from now on."""
        since = time.time() + writer.ANSWER + writer.WAIT_MS / 1000  # what was sent before is over by then
        watched = clients or [name for name in self._clients() if name in SAFE and "inside" not in name]

        def again() -> bool:
            status = self.writers.status()
            late = [name for name in watched if status.get(name, {}).get("last", 0.0) <= since]
            assert not late, f"not acknowledged again: {', '.join(late)}"
            return True

        eventually(again, within=within, what="writers are acknowledged again", every=0.5)

    def lasts(self, seconds: float) -> None:
        """Let a time pass since the last note."""
        until = self.notes[-1][0] + seconds
        eventually(lambda: time.time() >= until, within=seconds + 1, what="a while")

    def _clients(self) -> list[str]:
        plans = [*self.writers.plans.values(), self.writers.outside]
        return [client.name for plan in plans for client in plan.clients]


def placed(site: Site, fault: Fault) -> str:
    """Have the master where the fault wants it; return its pod."""
    if not fault.master_on:
        return site.master
    announcer = site.announcer
    workers = [node for node in site.kubernetes.addresses if node not in (site.kubernetes.control_plane, announcer)]
    return site.lead_from(*([announcer] if fault.master_on == "announcer" else workers))


def plans(site: Site, fault: Fault, node: str, run: str) -> tuple[dict[str, Plan], Plan]:
    """Who writes on which node, the first of which no fault is done to, and who on this machine."""
    outside = (pods.balanced(site.counter, alone=fault.outside),) if site.counter else ()
    if fault.outside:
        assert outside, "this is done to all nodes, so that writers reach Redis by the counter alone; there is none"
        return {}, Plan(run, clients=outside)
    prober = next(each for each in site.kubernetes.addresses if each != node)
    clients = {prober: pods.usual(site.plain)}
    if fault.pinned:
        clients[node] = pods.within(site.plain)
        for pod, place in site.places().items():
            clients[place] = (*clients.get(place, ()), pods.pinned(pod, site.data[pod]))
    made = {
        each: Plan(run, site.master_name, site.sentinels, found, listen=each == prober)
        for each, found in clients.items()
    }
    return made, Plan(run, clients=outside)


def run(site: Site, name: str, fault: Fault, *, acks: int) -> Report:
    """Do it once, with so many acknowledged writes. Raises `AssertionError` where anything is wrong but for bounds."""
    print(f"{name}: {fault.title}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        site.settled()
        site.unscarred()
        master = placed(site, fault)
        node = site.node_of(master)
        inside, outside = plans(site, fault, node, secrets.token_hex(3))
        first = _count(site)
        writers = Writers(site, inside, outside, Path(home))
        stage = Stage(site, master, node, writers)
        with writers.writing():
            main = "counter" if fault.outside else "aware"
            _acknowledged(writers, main, int(BEFORE * acks))
            fault.do(stage)
            stage.note("over")
            whole = site.settled()
            _acknowledged(writers, main, acks)
            stage.lasts(STEADY)
            writers.stop()
            history, last = writers.history(), _count(site)
            stored = writers.stored()
            site.alike()
        replayed = _replayed(outside, history) if outside.clients else {}
        evidence = Evidence(history, stored, first, last, replayed, stage.notes, site.last_start(), whole)
        found = reported(name, evidence, site.master_name)
        problems = wrong(found, fault, site.lag)
    assert not problems, f"{'; '.join(problems)}: {found.text()}; all that was said is in {_kept(site, name, evidence)}"
    return found


def _kept(site: Site, name: str, evidence: Evidence) -> Path:
    """What the writers have recorded, and what all pods of Redis have said, for whoever looks for the cause."""
    home = KEPT / time.strftime(f"{name}-%Y%m%d-%H%M%S")
    home.mkdir(parents=True)
    recorded = {**vars(evidence.history), "notes": evidence.notes}
    (home / "history.json").write_text(json.dumps(recorded))
    for pod in site.pods(DATA, SENTINEL):
        its = pod["metadata"]["name"]
        (home / f"{its}.log").write_text(site.kubectl("logs", its, "--all-containers"))
    return home


def _count(site: Site) -> int:
    if not site.counter:
        return 0
    return eventually(lambda: _answered(site.counter), within=20, what="the counter answers", every=0.2) - 1


def _answered(address: str) -> int:
    """The count and one, which is true."""
    try:
        return writer.counted(address) + 1
    except UnsureError as error:
        raise AssertionError(str(error)) from error


def _acknowledged(writers: Writers, client: str, count: int) -> None:
    def enough() -> bool:
        found = writers.status().get(client, {}).get("acks", 0)
        assert found >= count, f"{found:.0f} of {client} acknowledged"
        return True

    eventually(enough, within=ENOUGH, what=f"{count} acknowledged writes", every=1.0)


def _replayed(outside: Plan, history: History) -> dict[checker.Name, int]:
    """What the counter answers to all acknowledged keys when they are sent once more."""
    [client] = outside.clients

    def again(name: checker.Name) -> int:
        key = writer.key(outside.run, *name)

        def answered() -> tuple[int]:
            try:
                return (writer.posted(client.at[0], key),)
            except UnsureError as error:
                raise AssertionError(str(error)) from error

        return eventually(answered, within=20, what="the counter answers a key again")[0]

    names = [op[:3] for op in acked(history.of(client.name).ops)]
    with ThreadPoolExecutor(client.writers) as pool:
        return dict(zip(names, pool.map(again, names), strict=True))
