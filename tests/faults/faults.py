"""What is done to Redis while writers write: the table of faults, and what each may cost.

Each function does one thing, waits as long as it is meant to last, and has all as it was before when it returns. It may
ask the scene whether the writers are acknowledged again.
"""

from __future__ import annotations

import itertools
import shlex
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tests.faults.redis_site import COUNTER, DATA, SENTINEL, Site
from tests.support.ansible import playbook
from tests.support.kubernetes import succeed
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

STOPPED = 20.0  # seconds for which a process is stopped: longer than a fail-over takes, shorter than a liveness probe
APART = 20.0  # seconds for which a node is cut off, at least
LOSSY, LOSS = 30.0, "0.3"  # seconds in which that part of the packets is lost
BEHIND = 4.0  # seconds for which one copy falls behind before all are stopped
BETWEEN = 3.0  # seconds between two starts
AGAIN = 60.0  # seconds after which writers must be acknowledged again, whatever happens
CHAIN = "SLIPWAY-FAULT"


class Scene(Protocol):
    """What a fault is done to."""

    site: Site
    master: str  # the pod that is master at the beginning, and its node
    node: str

    def note(self, text: str) -> None:
        """Note what happens, now."""

    def resumed(self, *clients: str, within: float = AGAIN) -> None:
        """Wait until clients, all unless named, are acknowledged what they send from now on."""

    def lasts(self, seconds: float) -> None:
        """Let a time pass since the last note."""


@dataclass(frozen=True)
class Bound:
    """Seconds without an acknowledged write: the median and the worst of several runs."""

    worst: float
    median: float | None = None


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    ``bounds`` by client. ``pinned``: one who writes sits beside each data pod, so that two masters at a time are seen,
    and some sit where the master is. ``outside``: all who write do so through the load balancer, for no pod lives on.
    ``master_on``: where the master is, "worker" (one that does not announce the counter's address), "announcer", or
    anywhere. ``loses``: clients that must lose, else the checker is not to be believed; of others nothing is asked
    then. ``switches``: how often the master may move.
    """

    title: str
    do: Callable[[Scene], None]
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    runs: int = 5
    pinned: bool = False
    outside: bool = False
    master_on: str = ""
    loses: Sequence[str] = ()
    switches: int | None = None


# -- planned ---------------------------------------------------------------------------------------------------------


def pod_deleted(scene: Scene) -> None:
    """Delete the master's pod."""
    scene.note(f"{scene.master} deleted")
    scene.site.kubectl("delete", "pod", scene.master, "--wait=true", timeout=120)


def restarted(scene: Scene) -> None:
    """Replace all data pods, one after the other."""
    scene.note("data pods restarted")
    scene.site.kubectl("rollout", "restart", f"statefulset/{DATA}")
    scene.site.rolled_out(DATA)


def drained(scene: Scene) -> None:
    """Drain each node that has a data pod, and take it in again."""
    for node in scene.site.places().values():
        scene.note(f"{node} drained")
        flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        others = "--pod-selector=app.kubernetes.io/name!=redis-faults"
        try:
            scene.site.kubernetes.kubectl("drain", node, *flags, others, timeout=130)
        finally:
            scene.site.kubernetes.kubectl("uncordon", node)
        scene.site.settled()


def sentinels_restarted(scene: Scene) -> None:
    """Delete all Sentinels at once."""
    scene.note("all Sentinels deleted")
    names = [f"{SENTINEL}-{number}" for number in range(len(scene.site.sentinels))]
    scene.site.kubectl("delete", "pod", *names, "--wait=true", timeout=120)


def rotated(scene: Scene) -> None:
    """Give Redis another password."""
    scene.note("password rotated")
    kubernetes = scene.site.kubernetes
    succeed(playbook("rotate_redis_password", {"vm_set": kubernetes.vm_set}, timeout=600))


# -- crashes ---------------------------------------------------------------------------------------------------------


def killed(scene: Scene) -> None:
    """Kill all processes of the master's container."""
    scene.note(f"{scene.master} killed")
    scene.site.signal(scene.master, "KILL")
    scene.resumed()


def stopped(scene: Scene) -> None:
    """Stop all processes of the master's container, and have them go on when there is another master."""
    scene.note(f"{scene.master} stopped")
    scene.site.signal(scene.master, "STOP")
    try:
        scene.lasts(STOPPED)
    finally:
        scene.site.signal(scene.master, "CONT")
        scene.note(f"{scene.master} continued")
    scene.resumed()


def killed_twice(scene: Scene) -> None:
    """Kill the master, and its successor as soon as there is one."""
    scene.note(f"{scene.master} killed")
    scene.site.signal(scene.master, "KILL")
    scene.resumed("aware")
    successor = eventually(lambda: scene.site.master, within=AGAIN, what="a successor", every=0.3)
    scene.note(f"{successor} killed")
    scene.site.signal(successor, "KILL")
    scene.resumed()


def without_names(scene: Scene) -> None:
    """Kill the master while no name server answers."""
    kubernetes, dns = scene.site.kubernetes, ("deployment/coredns", "--namespace=kube-system")
    count = kubernetes.get(*dns)["spec"]["replicas"]
    kubernetes.kubectl("scale", *dns, "--replicas=0")
    try:
        pods = ("pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns")
        eventually(lambda: not kubernetes.items(*pods), within=60, what="no name server is left", every=0.3)
        killed(scene)
    finally:
        kubernetes.kubectl("scale", *dns, f"--replicas={count}")
        kubernetes.kubectl("rollout", "status", *dns, "--timeout=90s", timeout=100)


def without_power(scene: Scene) -> None:
    """Pull the plug of the master's node; put it back when the writers are acknowledged again."""
    kubernetes = scene.site.kubernetes
    scene.note(f"{scene.node} loses its power")
    kubernetes.machines(scene.node, vm_state="poweroff")
    try:
        scene.resumed()
    finally:
        scene.note(f"{scene.node} has power again")
        kubernetes.machines(scene.node, vm_state="started")
    kubernetes.settle()


def disk_emptied(scene: Scene) -> None:
    """Kill the master with nothing left on its disk, so that it is back before anyone takes it for dead."""
    site, pod, node = scene.site, scene.master, scene.node
    volume = site.volume(pod)
    scene.note(f"{pod} killed, its disk empty")
    site.signal(pod, "STOP")
    succeed(site.kubernetes.on_node(node, "find", volume, "-mindepth", "1", "-delete"))
    site.signal(pod, "KILL")
    scene.resumed()


def volume_deleted(scene: Scene) -> None:
    """Delete the master's pod and its claim."""
    scene.note(f"{scene.master} deleted, its volume too")
    scene.site.kubectl("delete", "persistentvolumeclaim", f"data-{scene.master}", "--wait=false")
    scene.site.kubectl("delete", "pod", scene.master, "--wait=true", timeout=120)


# -- networks --------------------------------------------------------------------------------------------------------


def rules(networks: Sequence[str], *, incoming: bool, outgoing: bool, loss: str = "") -> list[list[str]]:
    """The arguments of iptables by which a node hears others no more, or is not heard, or not always.

    They act before addresses are translated on their way in, and after that on their way out; so Services are cut too.
    """
    match = ["-m", "statistic", "--mode", "random", "--probability", loss] if loss else []
    others = ",".join(networks)
    ways = [(incoming, "PREROUTING", "--source"), (outgoing, "POSTROUTING", "--destination")]
    added = [
        rule
        for wanted, hook, flag in ways
        if wanted
        for rule in (
            ["--new-chain", f"{CHAIN}-{hook}"],
            ["--append", f"{CHAIN}-{hook}", flag, others, *match, "--jump", "DROP"],
            ["--insert", hook, "--jump", f"{CHAIN}-{hook}"],
        )
    ]
    return [["--table", "mangle", "--wait", *rule] for rule in added]


def undone() -> list[list[str]]:
    """The arguments of iptables that take all such rules away, whichever there are."""
    return [
        ["--table", "mangle", "--wait", *rule]
        for hook in ("PREROUTING", "POSTROUTING")
        for rule in (
            ["--delete", hook, "--jump", f"{CHAIN}-{hook}"],
            ["--flush", f"{CHAIN}-{hook}"],
            ["--delete-chain", f"{CHAIN}-{hook}"],
        )
    ]


def script(commands: Sequence[Sequence[str]], separator: str) -> str:
    """Calls of iptables as one line of a shell."""
    return separator.join(shlex.join(["iptables", *each]) for each in commands)


@contextmanager
def disturbed(site: Site, node: str, **how: bool | str) -> Iterator[None]:
    """Have a node's network so meanwhile. This machine still reaches it."""
    others = [network for other in site.kubernetes.addresses if other != node for network in site.networks(other)]
    with ExitStack() as back:
        back.callback(site.kubernetes.on_node, node, "sh", "-c", f"{script(undone(), '; ')} 2>/dev/null; true")
        commands = rules(others, **how)  # type: ignore[arg-type]
        succeed(site.kubernetes.on_node(node, "sh", "-c", script(commands, " && ")))
        yield


def apart(scene: Scene, *, incoming: bool, outgoing: bool) -> None:
    """Cut the master's node off from all others."""
    ways = [way for way, cut in (("hears nobody", incoming), ("is not heard", outgoing)) if cut]
    with disturbed(scene.site, scene.node, incoming=incoming, outgoing=outgoing):
        scene.note(f"{scene.node} {' and '.join(ways)}")
        scene.resumed("aware")
        scene.lasts(APART)
    scene.note(f"{scene.node} is whole")
    scene.resumed()
    scene.site.kubernetes.settle()


def lossy(scene: Scene) -> None:
    """Lose packets between the master's node and all others."""
    with disturbed(scene.site, scene.node, incoming=True, outgoing=True, loss=LOSS):
        scene.note(f"{scene.node} loses {LOSS} of its packets")
        scene.lasts(LOSSY)
    scene.note(f"{scene.node} is whole")
    scene.resumed()
    scene.site.kubernetes.settle()


# -- all at once -----------------------------------------------------------------------------------------------------


def all_without_power(scene: Scene) -> None:
    """Pull the plug of all nodes, and put it back."""
    kubernetes = scene.site.kubernetes
    scene.note("all nodes lose their power")
    kubernetes.machines(vm_state="poweroff")
    scene.note("all nodes have power again")
    kubernetes.machines(vm_state="started")
    scene.resumed(within=2 * AGAIN)
    kubernetes.settle()


def started_in_order(scene: Scene, order: Sequence[int], *, forgetful: bool = False) -> None:
    """Have one copy fall behind, kill all data pods and Sentinels, and start them again in an order, that one first.

    A node starts what is its own when its kubelet does. ``forgetful``: the Sentinels have lost their disks, and the
    agents what they noted of the copies, as where there is nothing of the kind.
    """
    site, names = scene.site, list(scene.site.data)
    places, first = [site.places()[names[number]] for number in order], names[order[0]]
    sentinels = [f"{SENTINEL}-{number}" for number in range(len(site.sentinels))]
    lost = [*((pod, "*") for pod in sentinels), *((pod, "state.json") for pod in names)] if forgetful else []
    files = [(site.node_of(pod), site.volume(pod), name) for pod, name in lost]
    with ExitStack() as back:
        back.callback(site.on_nodes, places, "systemctl", "start", "kubelet")
        scene.note(f"{first} killed, which falls behind")
        halted(site, places[:1], [first])
        scene.resumed("aware")
        scene.lasts(BEHIND)
        scene.note("all killed")
        halted(site, places[1:], [*(name for name in names if name != first), *sentinels])
        for node, volume, name in files:
            site.on_nodes([node], "find", volume, "-mindepth", "1", "-name", name, "-delete")
        for node in places:
            scene.note(f"{node} started")
            site.on_nodes([node], "systemctl", "start", "kubelet")
            scene.lasts(BETWEEN)
        back.pop_all()
    scene.resumed("aware", within=2 * AGAIN)
    site.kubernetes.settle()


def halted(site: Site, nodes: Sequence[str], pods: Sequence[str]) -> None:
    """Kill pods for good: nobody starts them again before their kubelets are."""
    containers = [(site.node_of(pod), site.container(pod)) for pod in pods]
    site.on_nodes(nodes, "systemctl", "stop", "kubelet")
    with ThreadPoolExecutor(len(containers)) as pool:
        list(pool.map(lambda each: site.signal_container(each[0], each[1], "KILL"), containers))


def forced(scene: Scene, order: Sequence[int]) -> None:
    """The same where nobody remembers who was master, and ordinal 0 is made it: as charts do it, and wrong."""
    scene.site.kubectl("create", "configmap", "redis-force", "--from-literal=master=redis-0")
    try:
        started_in_order(scene, order, forgetful=True)
    finally:
        scene.site.kubectl("delete", "configmap", "redis-force")


def handed_over_as_others_do(scene: Scene) -> None:
    """Have the Sentinels fail over without a word to the master, whose agent sleeps: as charts do it, and wrong."""
    site, name = scene.site, shlex.quote(scene.site.master_name)
    command = f"REDISCLI_AUTH=$(cat /etc/slipway/redis/agent) redis-cli --user agent -p 26379 sentinel failover {name}"
    scene.note(f"fail-over, {scene.master} not told")
    site.signal(scene.master, "STOP", agent=True)
    try:
        site.kubectl("exec", f"{SENTINEL}-0", "--", "sh", "-c", command)
        scene.resumed("aware", "unsure")
    finally:
        site.signal(scene.master, "CONT", agent=True)
    scene.note(f"{scene.master} told")
    scene.resumed()


# -- the table -------------------------------------------------------------------------------------------------------

SMOOTH = {"aware": Bound(worst=1.0)}
CRASHED = {"aware": Bound(worst=10.0, median=8.0), "plain": Bound(worst=12.0)}
FAULTS: dict[str, Fault] = {
    "pod-delete": Fault("the master's pod deleted", pod_deleted, SMOOTH),
    "restart": Fault("rolling restart of the data pods", restarted, SMOOTH),
    "drain": Fault("every node drained, one after the other", drained, SMOOTH),
    "sentinels": Fault("all Sentinels restarted at once", sentinels_restarted, SMOOTH, switches=0),
    "rotation": Fault("password rotated", rotated, {COUNTER: Bound(worst=1.0)}, runs=3, outside=True),
    "kill": Fault("kill -9 of the master", killed, CRASHED, pinned=True),
    "stop": Fault(f"master stopped for {STOPPED:g} s, then continued", stopped, CRASHED, pinned=True),
    "second": Fault("the master killed, then its successor", killed_twice, {"aware": Bound(worst=30.0)}),
    "names": Fault("the master killed while no name server answers", without_names, CRASHED),
    "power": Fault("power cut of the master's node", without_power, CRASHED, runs=7, master_on="worker"),
    "power-address": Fault(
        "power cut of the node that has the master and announces the address",
        without_power, {COUNTER: Bound(worst=15.0)}, runs=7, master_on="announcer",
    ),
    "disk": Fault("the master killed, its disk emptied", disk_emptied, {"aware": Bound(worst=15.0)}),
    "volume": Fault("the master's pod deleted with its volume", volume_deleted, SMOOTH),
    "partition": Fault(
        "the master's node cut off, both ways", partial(apart, incoming=True, outgoing=True), CRASHED,
        pinned=True, master_on="worker",
    ),
    "partition-in": Fault(
        "the master's node hears nobody", partial(apart, incoming=True, outgoing=False), pinned=True, master_on="worker"
    ),
    "partition-out": Fault(
        "the master's node is not heard", partial(apart, incoming=False, outgoing=True), pinned=True, master_on="worker"
    ),
    "loss": Fault(
        f"{LOSS} of the packets of the master's node lost for {LOSSY:g} s", lossy, pinned=True, master_on="worker",
        switches=1,
    ),
    "all-power": Fault("power cut of all nodes", all_without_power, outside=True),
    **{
        f"cold-{''.join(map(str, order))}": Fault(
            f"all killed, started in the order {', '.join(f'redis-{each}' for each in order)}",
            partial(started_in_order, order=order), runs=1,
        )
        for order in itertools.permutations(range(3))
    },
    "control-early": Fault("control: acknowledged before the answer", stopped, runs=1, loses=("early",)),
    "control-hand-over": Fault(
        "control: fail-over without a hand-over", handed_over_as_others_do, runs=1, loses=("unsure",),
    ),
    "control-cold": Fault(
        "control: cold start by ordinal 0, whose copy is behind", partial(forced, order=(0, 1, 2)), runs=1,
        loses=("aware",),
    ),
}  # fmt: skip
