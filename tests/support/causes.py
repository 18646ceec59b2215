"""Clusters that cannot come up, each for a reason of its own, and what the engine says of them."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, lifecycle
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import explain
from tests.support.api_server import free_ports
from tests.support.kubernetes import succeed
from tests.support.paths import BUNDLE_BIN
from tests.support.registry import PASSWORD, USER, write_home
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.progress import Event
    from tests.support.kubernetes import Kubernetes

Object = dict[str, Any]

SOON = 15.0
PULL_SECRET = "registry"
CERTIFICATES = "/etc/containerd/certs.d"


@dataclass(frozen=True)
class Row:
    """A cluster's pods, and what is to be said of them: the code, some words, and within how many seconds.

    Without `within` it is never fatal by itself, and told when the time is up. `where` is one of the namespaces below.
    """

    name: str
    code: str
    words: tuple[str, ...]
    pod: Object
    within: float | None = None
    where: str = "open"
    spec: Object = field(default_factory=dict)

    def named(self, name: str) -> Row:
        """The same under another name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class Said:
    """What the engine said of a cluster, and after how many seconds."""

    cause: Cause | None
    seconds: float
    text: str


@dataclass(frozen=True)
class Places:
    """Where pods are to be made, and from what.

    A namespace as it is, one without room and one with a strict rule; a registry, and an address that never answers.
    """

    namespaces: dict[str, str]
    pause: str
    python: str
    registry: str
    silent: str


def rows(places: Places) -> list[Row]:
    """Every cause that pods of a Deployment can have."""
    python, registry = places.python, places.registry
    return [
        *fast_rows(places),
        Row("bad-name", "image_not_found", ("is no image name",), container("Not/An:Image:Name"), SOON),
        Row("never-pull", "image_not_found", ("must not be pulled",), _never_pulled(), SOON),
        Row("denied", "image_pull_failed", ("(denied)", "pull secret"), container(f"{registry}/demo:1"), SOON),
        Row("resolver", "image_pull_failed", ("(resolver)",), container("registry.invalid/demo:1"), 30),
        Row("refused", "image_pull_failed", ("(connection)",), container(f"{registry.split(':')[0]}:9/demo:1"), 30),
        Row("silent", "image_pull_failed", ("(connection)",), container(f"{places.silent}/demo:1"), 30),
        Row("crash", "crash_loop", ("exit code 3", "log: no database"), _run(python, CRASH), spec=STEADY),
        Row("init", "crash_loop", ("init container first", "exit code 4"), _init(python, places.pause)),
        Row(
            "memory",
            "out_of_memory",
            ("its memory limit 32Mi",),
            _run(python, HOG, limits={"memory": "32Mi"}),
            spec=STEADY,
        ),
        Row(
            "command",
            "container_failed",
            ("its command does not run",),
            container(places.pause, command=["/nope"]),
            30,
        ),
        Row(
            "secret",
            "config_missing",
            ("secret pass does not exist",),
            _from_environment(places, "secret", "pass"),
            SOON,
        ),
        Row("key", "config_missing", ("has no key port",), _key(places), SOON),
        Row(
            "volume",
            "config_missing",
            ("configmap files does not exist",),
            _volume(places, {"configMap": {"name": "files"}}),
            30,
        ),
        Row(
            "big",
            "unschedulable",
            ("lacks memory", "1000.0Gi wanted"),
            container(places.pause, requests={"memory": "1000Gi"}),
        ),
        Row(
            "label",
            "node_label_missing",
            ("has the label disk=ssd", "kubectl label node"),
            {**container(places.pause), "nodeSelector": {"disk": "ssd"}},
            SOON,
        ),
        Row(
            "account",
            "service_account_missing",
            ("service account robot",),
            {**container(places.pause), "serviceAccountName": "robot"},
            30,
        ),
        Row("ready", "probe_failed", ("Readiness probe failed",), container(places.pause, readinessProbe=PROBE)),
        Row(
            "alive",
            "probe_failed",
            ("Liveness probe failed",),
            container(places.pause, livenessProbe={**PROBE, "failureThreshold": 1}),
            spec=STEADY,
        ),
        Row(
            "claim",
            "volume_pending",
            ("PersistentVolumeClaim nowhere does not exist",),
            _volume(places, {"persistentVolumeClaim": {"claimName": "nowhere"}}),
        ),
        Row(
            "late",
            "deadline_exceeded",
            ("no progress for 5 s", "lacks cpu: 1000 wanted"),
            container(places.pause, requests={"cpu": "1000"}),
            30,
            spec={"progressDeadlineSeconds": 5},
        ),
        Row("paused", "paused", ("rollout resume",), container(places.pause), SOON, spec={"paused": True}),
    ]


def fast_rows(places: Places) -> list[Row]:
    """The causes that must be told within 15 s."""
    pulled = {**container(f"{places.registry}/demo:404"), "imagePullSecrets": [{"name": PULL_SECRET}]}
    return [
        Row("image", "image_not_found", ("does not exist",), pulled, SOON),
        Row(
            "config",
            "config_missing",
            ("configmap conf does not exist",),
            _from_environment(places, "configMap", "conf"),
            SOON,
        ),
        Row("quota", "quota_exceeded", ("ResourceQuota full",), container(places.pause), SOON, "full"),
        Row("admission", "admission_denied", ("violates PodSecurity",), container(places.pause), SOON, "strict"),
    ]


CRASH = "import sys; print('no database'); sys.exit(3)"
HOG = "x = bytearray(256 << 20); input()"
PROBE = {"httpGet": {"port": 81, "path": "/"}, "periodSeconds": 1}
STEADY = {"minReadySeconds": 20}  # a container without a readiness probe counts as ready until it crashes


def container(image: str, **fields: Any) -> Object:
    """The specification of pods with one container."""
    resources = {key: fields.pop(key) for key in ("requests", "limits") if key in fields}
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "resources": resources, **fields}
    return {"containers": [container], "terminationGracePeriodSeconds": 0}


def _never_pulled() -> Object:
    return container("slipway.local/nothing:1", imagePullPolicy="Never")


def _run(image: str, program: str, **fields: Any) -> Object:
    return container(image, command=["python3", "-c", program], **fields)


def _init(python: str, pause: str) -> Object:
    [first] = _run(python, "import sys; sys.exit(4)")["containers"]
    return {**container(pause), "initContainers": [{**first, "name": "first"}]}


def _from_environment(places: Places, kind: str, name: str) -> Object:
    return container(places.pause, envFrom=[{f"{kind}Ref": {"name": name}}])


def _key(places: Places) -> Object:
    source = {"configMapKeyRef": {"name": "kube-root-ca.crt", "key": "port"}}
    return container(places.pause, env=[{"name": "PORT", "valueFrom": source}])


def _volume(places: Places, source: Object) -> Object:
    pod = container(places.pause, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    return {**pod, "volumes": [{"name": "data", **source}]}


def deployment(name: str, namespace: str, pod: Object, **spec: Any) -> Object:
    """A Deployment as the module cluster would make it, of any pods."""
    labels = {"app.kubernetes.io/managed-by": "slipway", "app.kubernetes.io/instance": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template, "replicas": 1, **spec},
    }


def provoke(kubernetes: Kubernetes, places: Places, rows: Sequence[Row], *, timeout: float) -> dict[str, Said]:
    """Declare a Deployment for each row, wait for all at once, and return what was said of each."""
    documents = [deployment(row.name, places.namespaces[row.where], row.pod, **row.spec) for row in rows]
    return said(kubernetes, documents, timeout=timeout)


def said(kubernetes: Kubernetes, documents: Sequence[Object], *, timeout: float) -> dict[str, Said]:
    """Make Deployments present and return what was said of each, by name."""
    ended: dict[str, float] = {}

    def listen(event: Event) -> None:
        if event.stage in ("failed", "available"):
            ended[event.name] = event.elapsed

    options = lifecycle.Options(timeout=timeout, listener=listen)
    with client.connect(client.Connection(kubeconfig=str(kubernetes.kubeconfig))) as connected:
        results = lifecycle.ensure_present(connected, documents, options)
    return {
        each.name: Said(
            each.cause,
            ended.get(each.name, timeout),
            explain(each.cause, of=f"Deployment {each.name}") if each.cause else "",
        )
        for each in results
    }


def wrong(row: Row, said: Said) -> str:
    """What is wrong with what was said of a row; empty if nothing."""
    code = said.cause and said.cause.code
    faults = {
        f"code {code}": code != row.code,
        f"not said: {[word for word in row.words if word not in said.text]}": any(
            w not in said.text for w in row.words
        ),
        f"after {said.seconds:.1f} s": row.within is not None and said.seconds > row.within,
        f"{len(said.text.splitlines())} lines": len(said.text.splitlines()) > 12,
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    return f"{row.name}: {', '.join(found)}: {said.text}" if found else ""


@contextmanager
def places(kubernetes: Kubernetes, home: Path) -> Iterator[Places]:
    """Namespaces in which things go wrong, and a registry that wants a password and has no image."""
    with registry(kubernetes, home) as address, silent(kubernetes) as nobody:
        namespaces = {name: kubernetes.new_namespace() for name in ("open", "full", "strict")}
        try:
            quota = ("create", "quota", "full", "--hard=pods=0", f"--namespace={namespaces['full']}")
            kubernetes.kubectl(*quota)
            strict = "pod-security.kubernetes.io/enforce=restricted"
            kubernetes.kubectl("label", "namespace", namespaces["strict"], strict)
            login = (f"--docker-server={address}", f"--docker-username={USER}", f"--docker-password={PASSWORD}")
            opened = f"--namespace={namespaces['open']}"
            kubernetes.kubectl("create", "secret", "docker-registry", PULL_SECRET, *login, opened)
            pause, python = (kubernetes.image(name) for name in ("registry.k8s.io/pause", "slipway.local/python-base"))
            yield Places(namespaces, pause, python, address, nobody)
        finally:
            kubernetes.kubectl("delete", "namespace", *namespaces.values(), "--wait=false")


@contextmanager
def registry(kubernetes: Kubernetes, home: Path) -> Iterator[str]:
    """Run an empty registry on the bridge of the set, which every node trusts; yield its address."""
    gateway = kubernetes.layout.gateway
    (port,) = free_ports(1)
    address = f"{gateway}:{port}"
    write_home(home, address=gateway, port=port)
    settings = f'ca = "{CERTIFICATES}/{address}/ca.crt"'
    with (home / "log").open("wb") as log:
        command = ["setpriv", "--pdeathsig", "KILL", str(BUNDLE_BIN / "registry"), "serve", str(home / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with _known(kubernetes, address, settings, (home / "ca.crt").read_text()):
            eventually(lambda: not socket.socket().connect_ex((gateway, port)), within=10, what="the registry")
            yield address
    finally:
        process.kill()
        process.wait()


@contextmanager
def silent(kubernetes: Kubernetes) -> Iterator[str]:
    """Have an address on the bridge at which nobody ever answers: its queue is full. Nodes do not wait long for it."""
    gateway = kubernetes.layout.gateway
    with socket.create_server((gateway, 0), backlog=0) as server, ExitStack() as queue:
        for _place in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        address = f"{gateway}:{server.getsockname()[1]}"
        with _known(kubernetes, address, 'dial_timeout = "2s"', ""):
            yield address


@contextmanager
def _known(kubernetes: Kubernetes, address: str, settings: str, certificate: str) -> Iterator[None]:
    """Tell containerd of every node about a registry."""
    directory = f"{CERTIFICATES}/{address}"
    hosts = f'server = "https://{address}"\n{settings}\n'  # without a host of its own the server is the only one
    files = {"hosts.toml": hosts, "ca.crt": certificate}
    writes = [f"printf %s '{text}' >{directory}/{name}" for name, text in files.items()]
    nodes = [node["metadata"]["name"] for node in kubernetes.items("nodes")]
    try:
        for node in nodes:
            succeed(kubernetes.on_node(node, "sh", "-c", " && ".join([f"mkdir -p {directory}", *writes])))
        yield
    finally:
        for node in nodes:
            kubernetes.on_node(node, "rm", "-r", directory)
