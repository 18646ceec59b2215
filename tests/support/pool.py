"""nginx of the pool as its image has it, before a store that does what it is told, and a name server of its own."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.filter import core, mathstuff
from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta

from tests.support.ansible import run
from tests.support.paths import CACHE, CHECKOUT, VENV_BIN
from tests.support.waiting import eventually

ROLE = CHECKOUT / "roles" / "nginx_pool"
FILTERS = ("combine", "regex_escape", "regex_replace", "to_json", "hash", "ternary")
USER = 65532
IMAGE = "slipway.local/nginx-pool:0123456789ab"
Variables = dict[str, Any]


def rendered(name: str, **variables: Any) -> str:
    """A template of the role as Ansible renders it, with these variables beside the role's defaults."""
    environment = Environment(loader=FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=StrictUndefined)
    known = {**core.FilterModule().filters(), **mathstuff.FilterModule().filters()}
    environment.filters |= {name: known[name] for name in FILTERS}
    given: Variables = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
        **yaml.safe_load((ROLE / "vars/main.yml").read_text()),
        "groups": {"builder": ["localhost"]},
        "hostvars": {"localhost": {"images_refs": {"nginx-pool": IMAGE}}},
        "lookup": lambda _, name: environment.get_template(name).render(given),
        **variables,
    }
    while (resolved := expanded(given, given, environment)) != given:
        given = resolved
    return environment.get_template(name).render(given)


def expanded(value: Any, variables: Variables, environment: Environment) -> Any:
    """A variable with the templates in it filled in, as far as these variables are."""
    if isinstance(value, dict):
        return {key: expanded(each, variables, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, variables, environment) for each in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    given, value = value, value.replace("\\", "\\\\")  # as Ansible does in what it reads from YAML
    if any("{{" in str(variables.get(name)) for name in meta.find_undeclared_variables(environment.parse(value))):
        return given  # until the next round, when these are filled in
    if alone := re.fullmatch(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", value, re.DOTALL):
        found = environment.compile_expression(alone[1], undefined_to_none=False)(**variables)
        return list(found) if isinstance(found, Iterator) else found
    return environment.from_string(value).render(variables)


@dataclass
class Object:
    """What a bucket holds under a key."""

    body: bytes
    content_type: str = "application/json"

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'  # as S3 makes it of an object in one part


class Store:
    """A bucket over HTTP that keeps the requests it got. ``state`` is what it does: 200, another status, or "hangs".

    It can be closed and opened again at the same port, on an address of the loopback network.
    """

    def __init__(self, bucket: str = "podlister") -> None:
        self.bucket = bucket
        self.objects: dict[str, Object] = {}
        self.state: int | str = 200
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.port = 0
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.open()

    def put(self, key: str, body: str, content_type: str = "application/json") -> None:
        """Have an object in the bucket."""
        self.objects[key] = Object(body.encode(), content_type)

    def open(self) -> None:
        """Listen."""
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.answer(self)

            def do_HEAD(self) -> None:
                store.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._released.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Listen no more: connections are refused."""
        self._released.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def release(self) -> None:
        """Let what hangs go on."""
        self._released.set()
        self._released = threading.Event()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request as the state says."""
        self.requests.append((request.command, request.path, dict(request.headers.items())))
        if self.state == "hangs":
            self._released.wait(30)
            return
        key = request.path.removeprefix(f"/{self.bucket}/")
        found = self.objects.get(key) if request.path.startswith(f"/{self.bucket}/") else None
        status = self.state if self.state != 200 else (200 if found else 404)
        assert isinstance(status, int)
        if status == 200 and found and request.headers.get("If-None-Match") == found.etag:
            status = 304
        body = found.body if found and status == 200 else b"" if status == 304 else b"<Error>of the store</Error>"
        request.send_response(status)
        request.send_header("x-amz-request-id", "1")
        if found and status in (200, 304):
            request.send_header("ETag", found.etag)
            request.send_header("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT")
            request.send_header("Cache-Control", "no-cache")
            request.send_header("Content-Type", found.content_type)
        if status in (301, 302):
            request.send_header("Location", "http://elsewhere.test/")
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


@dataclass
class Names:
    """A name server: what has an address in ``known`` gets it, nothing else is there. Silent if ``silent``."""

    known: dict[str, str] = field(default_factory=dict)
    silent: bool = False

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = self._bind()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _bind(self) -> str:
        """Take port 53, which /etc/resolv.conf means, of a loopback address that is free."""
        for last in range(2, 250):
            try:
                self._socket.bind((f"127.77.0.{last}", 53))
            except OSError:
                continue
            return f"127.77.0.{last}"
        raise AssertionError("no loopback address has its port 53 free")

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, peer = self._socket.recvfrom(512)
            except OSError:
                return
            if not self.silent:
                self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035, for one question."""
        name, position = [], 12
        while length := query[position]:
            name.append(query[position + 1 : position + 1 + length].decode().lower())
            position += length + 1
        (kind,) = struct.unpack("!H", query[position + 1 : position + 3])
        address = self.known.get(".".join(name))
        question = query[12 : position + 5]
        record = b"" if not address or kind != 1 else b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4)
        if record and address:
            record += socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183  # no such name
        return query[:2] + struct.pack("!HHHHH", flags, 1, 1 if record else 0, 0, 0) + question + record


@dataclass(frozen=True)
class Answer:
    """What a request got, and the seconds that it took."""

    status: int
    headers: dict[str, str]
    body: str
    seconds: float

    @property
    def state(self) -> str:
        """Where the listing is from: fresh, stale, bootstrap, or "" for what is none."""
        return self.headers.get("x-listing-state", "")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unpacked(archive: Path, directory: Path) -> Path:
    """The root file system of an image."""
    directory.mkdir(parents=True)
    with tarfile.open(archive) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest
        for layer in json.load(manifest)[0]["Layers"]:
            stream = outer.extractfile(layer)
            assert stream
            command = ["tar", "--extract", "--file=-", f"--directory={directory}"]
            with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
                assert process.stdin
                shutil.copyfileobj(stream, process.stdin)
            assert process.returncode == 0
    return directory


# A container as Kubernetes makes it, as far as the pool can tell: its root is read-only, two directories are not.
CONTAINER = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount --bind "$2/tmp" "$1/tmp"
mount --bind "$2/cache" "$1/var/cache/nginx"
mount --bind "$2/conf" "$1/etc/slipway/nginx"
mount --bind "$2/resolv.conf" "$1/etc/resolv.conf"
mount -o remount,ro,bind "$1"
exec chroot "$1" setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs --bounding-set=-all \
  --pdeathsig=KILL /usr/local/bin/nginx-pool "$3"
"""


class Pool:
    """One pod of the pool."""

    def __init__(self, root: Path, home: Path, targets: list[str], names: Names, **variables: Any) -> None:
        self.root, self.home, self.port = root, home, free_port()
        for name in ("tmp", "cache", "conf"):
            (home / name).mkdir(parents=True, exist_ok=True)
            os.chown(home / name, USER, USER)
        configuration = rendered("nginx.conf.j2", nginx_pool_targets=targets, **variables)
        (home / "conf/nginx.conf").write_text(configuration)
        (home / "resolv.conf").write_text(f"nameserver {names.address}\nsearch slipway.svc.cluster.local\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it answers."""
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
        ]
        with (self.home / "log").open("ab") as log:
            os.chown(log.fileno(), USER, USER)  # as runc does, since nginx opens /dev/stdout
            self._process = subprocess.Popen(
                [*command, CONTAINER, "sh", str(self.root), str(self.home), str(self.port)], stdout=log, stderr=log
            )
        eventually(self.answers, within=10, what=f"nginx ({self.log[-2000:]})", every=0.02)

    def answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    @property
    def log(self) -> str:
        path = self.home / "log"
        return path.read_text() if path.exists() else ""

    @property
    def init(self) -> int:
        """The process that Kubernetes would signal."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def kill(self) -> None:
        """End it at once, with all it has started."""
        if self._process:
            if self._process.poll() is None:
                os.kill(self.init, signal.SIGKILL)  # as its first process, it takes all others with it
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """Ask it to end, as Kubernetes does."""
        os.kill(self.init, signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        assert self._process
        return self._process.wait(timeout)

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask over a connection of its own."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, body, time.monotonic() - began)


@dataclass
class Bench:
    """A pool of one pod before two stores."""

    pool: Pool
    stores: list[Store]
    names: Names

    def publish(self, body: str, *, generation: int = 1) -> None:
        """Put a listing into both stores."""
        for store in self.stores:
            store.put("index.html", f"<p>{body}</p>", "text/html; charset=utf-8")
            store.put("index.json", f'{{"generation": {generation}, "body": "{body}"}}')


def service(number: int) -> str:
    return f"object-store-{number}.slipway.svc"


@contextmanager
def a_bench(root: Path, home: Path, **variables: Any) -> Iterator[Bench]:
    """Two stores, their names, and a pod that runs before them."""
    with ExitStack() as stack:
        stores = [Store(), Store()]
        names = Names({f"{service(number)}.cluster.local": "127.0.0.1" for number in range(2)})
        stack.callback(names.close)
        for store in stores:
            stack.callback(store.close)
        targets = [f"http://{service(number)}:{store.port}/podlister" for number, store in enumerate(stores)]
        pool = Pool(root, home, targets, names, **variables)
        stack.callback(pool.kill)
        pool.start()
        yield Bench(pool, stores, names)


def image_root(directory: Path) -> Path:
    """The root file system of the pool's image, made as `site.yml` makes it; built only if it is not in the cache."""
    play = directory / "play.yml"
    said = directory / "image.json"
    tasks = [
        {"name": "Build the image", "ansible.builtin.include_role": {"name": "nginx_pool", "tasks_from": "images"}},
        {"name": "Say which", "ansible.builtin.copy": {"content": "{{ images_built | to_json }}", "dest": str(said)}},
    ]
    play.write_text(json.dumps([{"name": "Images", "hosts": "builder", "gather_facts": False, "tasks": tasks}]))
    command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(play)]
    answer = run(command, timeout=300)
    assert answer.code == 0, answer.output
    return unpacked(CACHE / "images" / json.loads(said.read_text())["nginx-pool"]["archive"], directory / "root")
