"""Redis and its counter on a real Kubernetes: where everything is, and whether all is well."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.support.kubernetes import KubectlError, Kubernetes, succeed
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.kubernetes import Object

DATA, SENTINEL, COUNTER, MASTER = "redis", "redis-sentinel", "counter", "redis-master"
REDIS_PORT, SENTINEL_PORT = 6379, 26379
CONTROL = ("python3", "-m", "slipway_redis", "ctl")
# A signal to the processes of a container, the first of which is number 1 in its namespace; with "$3" to that alone.
SIGNAL = """cd /proc; for each in [0-9]*; do
grep -qs "$1" "$each/cgroup" || continue
[ -z "$3" ] || grep -qs "^NSpid:.*[[:space:]]1$" "$each/status" || continue
! kill "-$2" "$each" 2>/dev/null || sent=yes; done; [ "$sent" ]"""
SETTLED = 120.0  # seconds in which all is well again after any fault


@dataclass(frozen=True)
class Site:
    """The StatefulSets and Services of one namespace."""

    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    namespace: str = "redis"

    @property
    def here(self) -> str:
        """The flag of its namespace."""
        return f"--namespace={self.namespace}"

    def kubectl(self, *arguments: str, timeout: float = 60) -> str:
        """Run kubectl in its namespace."""
        return self.kubernetes.kubectl(self.here, *arguments, timeout=timeout)

    @cached_property
    def template(self) -> Object:
        """The pods of the data as they are declared."""
        spec: Object = self.kubernetes.get("statefulset", DATA, self.here)["spec"]["template"]["spec"]
        return spec

    @property
    def nodes_file(self) -> dict[str, Any]:
        """The file by which the agents know each other."""
        document = self.kubernetes.get("configmap", "redis-nodes", self.here)["data"]["nodes.json"]
        found: dict[str, Any] = json.loads(document)
        return found

    @cached_property
    def master_name(self) -> str:
        """What the Sentinels call the master."""
        return str(self.nodes_file["master_name"])

    @cached_property
    def sentinels(self) -> tuple[str, ...]:
        """Their addresses."""
        return tuple(f"{each['ip']}:{each['port']}" for each in self.nodes_file["sentinels"])

    @cached_property
    def data(self) -> dict[str, str]:
        """The data pods and their addresses."""
        return {str(each["name"]): f"{each['ip']}:{each['port']}" for each in self.nodes_file["data"]}

    @cached_property
    def plain(self) -> str:
        """The address of the Service that follows the master."""
        return f"{self.kubernetes.get('service', MASTER, self.here)['spec']['clusterIP']}:{REDIS_PORT}"

    @cached_property
    def counter(self) -> str:
        """Where the load balancer has the counter; empty where there is none."""
        found = self.kubernetes.items("services", self.here, f"--field-selector=metadata.name={COUNTER}")
        if not found:
            return ""
        [ingress] = found[0]["status"]["loadBalancer"]["ingress"]
        return f"{ingress['ip']}:{found[0]['spec']['ports'][0]['port']}"

    @property
    def lag(self) -> int:
        """Seconds of silence of its replicas after which a master refuses writes."""
        configuration = self.kubernetes.get("configmap", "redis-config", self.here)["data"]["redis.conf"]
        found = re.search(r"^min-replicas-max-lag\s+(\d+)", configuration, re.MULTILINE)
        assert found, "redis.conf says nothing of min-replicas-max-lag"
        return int(found[1])

    def pods(self, *names: str) -> list[Object]:
        """The pods of some parts."""
        return self.kubernetes.items("pods", self.here, f"--selector=app.kubernetes.io/name in ({','.join(names)})")

    def node_of(self, pod: str) -> str:
        """The node of a pod."""
        return str(self.kubernetes.get("pod", pod, self.here)["spec"]["nodeName"])

    def places(self) -> dict[str, str]:
        """The nodes of the data pods."""
        return {str(pod["metadata"]["name"]): str(pod["spec"]["nodeName"]) for pod in self.pods(DATA)}

    def status(self, pod: str) -> dict[str, Any]:
        """What the agent of a pod says."""
        answer: dict[str, Any] = json.loads(self.kubectl("exec", pod, "--", *CONTROL, "status", timeout=15))
        return answer

    def statuses(self) -> dict[str, dict[str, Any]]:
        """What the agents of all data pods say."""
        with ThreadPoolExecutor(len(self.data)) as pool:
            return dict(zip(self.data, pool.map(self.status, self.data), strict=True))

    @property
    def master(self) -> str:
        """The data pod that a majority of the Sentinels names."""
        said: list[object] = []
        for pod in self.data:
            with contextlib.suppress(KubectlError):
                said.append(self.status(pod).get("master"))
            if said and said[-1] in self.data:
                return str(said[-1])
        raise AssertionError(f"the Sentinels name as the master {said}")

    @property
    def announcer(self) -> str:
        """The node that the counter's address leads to."""
        return self.kubernetes.announcer(self.namespace, COUNTER)

    def lead_from(self, *nodes: str) -> str:
        """Have the master on one of these nodes; return its pod."""
        places, master = self.places(), self.master
        if places[master] in nodes:
            return master
        to = next(pod for pod, node in places.items() if node in nodes)
        self.kubectl("exec", master, "--", *CONTROL, "handover", "--to", to, timeout=60)
        eventually(lambda: self.master == to, within=30, what=f"{to} is master", every=0.5)
        self.settled()
        return to

    def settled(self, within: float = SETTLED) -> float:
        """Wait until every pod is ready and every data pod has its role; return how long that took, in seconds."""
        began = time.monotonic()
        eventually(self._settled, within=within, what="Redis is whole", every=1.0)
        return time.monotonic() - began

    def unscarred(self) -> None:
        """Have pods anew whose containers have been restarted: the kubelet would put the next start off by minutes."""
        for pod in self.pods(DATA, SENTINEL):
            if any(each["restartCount"] for each in pod["status"]["containerStatuses"]):
                self.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", timeout=120)
                self.settled()

    def _settled(self) -> bool:
        wanted = {f"{SENTINEL}-{number}" for number in range(len(self.sentinels))} | set(self.data)
        found = {pod["metadata"]["name"]: ready(pod) for pod in self.pods(DATA, SENTINEL, COUNTER)}
        missing = sorted({name for name, good in found.items() if not good} | wanted - found.keys())
        assert not missing, f"not ready: {missing}"
        roles = sorted(str(each["role"]) for each in self.statuses().values())
        assert roles == ["master"] + ["replica"] * (len(roles) - 1), f"roles: {roles}"
        return True

    def alike(self) -> None:
        """Wait until all copies have as many keys that do not expire, now that nobody writes."""
        eventually(self._alike, within=30, what="all copies are alike", every=0.5)

    def _alike(self) -> bool:
        sizes = {pod: each["lasting"] for pod, each in self.statuses().items()}
        assert len(set(sizes.values())) == 1, f"keys: {sizes}"
        return True

    def last_start(self) -> float:
        """When the last container of the data was started, in seconds since the epoch; Kubernetes tells whole ones."""
        started = (
            container["state"]["running"]["startedAt"]
            for pod in self.pods(DATA)
            for container in pod["status"]["containerStatuses"]
        )
        return max(dt.datetime.fromisoformat(each).timestamp() for each in started)

    # -- what is done to it --------------------------------------------------------------------------------------

    def on_nodes(self, nodes: Iterable[str], *command: str) -> None:
        """Run a command on several nodes at once, over SSH."""
        nodes = list(nodes)
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda node: succeed(self.kubernetes.on_node(node, *command)), nodes))

    def container(self, pod: str) -> str:
        """The id of a pod's only container."""
        [status] = self.kubernetes.get("pod", pod, self.here)["status"]["containerStatuses"]
        return str(status["containerID"]).rpartition("/")[2]

    def signal(self, pod: str, name: str, *, agent: bool = False) -> None:
        """Send a signal to all processes of a pod's container, or to its agent alone, from its node."""
        self.signal_container(self.node_of(pod), self.container(pod), name, agent=agent)

    def signal_container(self, node: str, container: str, name: str, *, agent: bool = False) -> None:
        """The same without asking Kubernetes."""
        whom = ["agent"] if agent else []
        succeed(self.kubernetes.on_node(node, "sh", "-c", SIGNAL, "sh", container, name, *whom))

    def volume(self, pod: str) -> str:
        """The directory of a pod's data on its node."""
        name = self.kubernetes.get("persistentvolumeclaim", f"data-{pod}", self.here)["spec"]["volumeName"]
        spec = self.kubernetes.get("persistentvolume", name)["spec"]
        return str((spec.get("local") or spec["hostPath"])["path"])

    def networks(self, node: str) -> list[str]:
        """The addresses of a node and of its pods."""
        spec = self.kubernetes.get("node", node)["spec"]
        return [f"{self.kubernetes.addresses[node]}/32", *spec.get("podCIDRs", [spec["podCIDR"]])]

    def rolled_out(self, *sets: str, within: float = 180) -> None:
        """Wait until StatefulSets are rolled out."""
        for each in sets:
            self.kubectl("rollout", "status", f"statefulset/{each}", f"--timeout={within:.0f}s", timeout=within + 10)


def ready(pod: Object) -> bool:
    """Whether a pod is ready and stays."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
