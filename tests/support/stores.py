"""Object stores: versitygw of the bundle on loopback, and a bucket as its owner or as anybody sees it.

with VersityGateway(home) as store:
    bucket = store.bucket("podlister")
    bucket.create()
    bucket.read("index.json")
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape, unescape

from tests.support.api_server import free_ports
from tests.support.paths import BUNDLE_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ACCESS, SECRET = "test-access", "test-secret-of-the-stores"
REGION = "us-east-1"


@dataclass(frozen=True)
class Answer:
    """What a store answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Bucket:
    """A bucket, asked by a client that shares no code with the publisher's."""

    port: int
    name: str
    access: str = ACCESS
    secret: str = SECRET

    @property
    def url(self) -> str:
        """Where its store is."""
        return f"http://127.0.0.1:{self.port}"

    def target(self, name: str, **fields: Any) -> dict[str, Any]:
        """A row of the publisher's targets."""
        row = {"name": name, "url": self.url, "bucket": self.name, "key": self.access, "secret": self.secret}
        return {**row, **fields}

    def create(self) -> None:
        """Make it."""
        assert self.ask("PUT").status == 200

    def read(self, key: str) -> bytes | None:
        """An object, None if it or the bucket is not there."""
        answer = self.ask("GET", key)
        assert answer.status in (200, 404), answer
        return answer.body if answer.status == 200 else None

    def json(self, key: str) -> Any:
        """A document; None if it is not there."""
        body = self.read(key)
        return None if body is None else json.loads(body)

    def write(self, key: str, body: bytes) -> None:
        """Put an object there, whatever is there."""
        assert self.ask("PUT", key, body=body).status == 200

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin so, at most a thousand."""
        answer = self.ask("GET", query={"list-type": "2", "prefix": prefix})
        return [unescape(key) for key in re.findall("<Key>(.*?)</Key>", answer.body.decode())]

    def anonymous(self, key: str) -> int:
        """The status that somebody without a key gets."""
        return self.ask("GET", key, signed=False).status

    def ask(
        self,
        method: str,
        key: str = "",
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> Answer:
        """Make one request."""
        path = f"/{self.name}/{quote(key)}" if key else f"/{self.name}"
        text = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted((query or {}).items())
        )
        headers = self._signed(method, path, text, body) if signed else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, f"{path}?{text}" if text else path, body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _signed(self, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
        """Signature version 4, https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html."""
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in (now[:8], REGION, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "Authorization": credential}


@dataclass
class VersityGateway:
    """versitygw on a directory, as role object_store runs it; a child process that cannot outlive this one."""

    home: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_ports(1)[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def bucket(self, name: str) -> Bucket:
        """One of its buckets, which may not be there yet."""
        return Bucket(self.port, name)

    def start(self) -> None:
        """Start it; return when it answers."""
        for each in ("buckets", "versions"):
            (self.home / each).mkdir(parents=True, exist_ok=True)
        program = os.environ.get("SLIPWAY_TEST_VERSITYGW") or str(BUNDLE_BIN / "versitygw")
        command = ["setpriv", "--pdeathsig", "KILL", program, "--port", f"127.0.0.1:{self.port}", "--health", "/health"]
        command += ["--quiet", "posix", "--versioning-dir", str(self.home / "versions"), str(self.home / "buckets")]
        environment = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET, "PATH": os.environ["PATH"]}
        environment |= {"ROOT_ACCESS_KEY_ID": ACCESS, "ROOT_SECRET_ACCESS_KEY": SECRET}
        with (self.home / "versitygw.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home
            )
        eventually(self._answers, within=20, what="versitygw answers", every=0.05)

    def stop(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It does not answer, though it takes connections."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Lose everything; it must not run."""
        assert self.process is None
        for each in ("buckets", "versions"):
            shutil.rmtree(self.home / each)

    def _answers(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            raise RuntimeError((self.home / "versitygw.log").read_text(errors="replace")[-2000:])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError as error:
            raise AssertionError(str(error)) from error
        finally:
            connection.close()


class PlainStore:
    """A store in memory that does less than S3: what the publisher finds at providers who do so.

    :param acls: whether it takes them. :param conditions: "ignored", or "refused" with 501.
    :param refuses: the code of S3 that it refuses everything by, or all but what ``reads``.
    """

    def __init__(
        self, *, acls: bool = True, conditions: str = "ignored", refuses: str = "", reads: bool = False
    ) -> None:
        self.objects: dict[str, bytes] = {}
        self._server = server = _PlainServer(("127.0.0.1", 0), _PlainHandler)
        server.store, server.acls, server.conditions = self.objects, acls, conditions
        server.refuses, server.reads = refuses, reads

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bucket(self, name: str) -> Bucket:
        """A bucket of it; all names are there."""
        return Bucket(self._server.server_address[1], name)


class _PlainServer(ThreadingHTTPServer):
    daemon_threads = True
    store: dict[str, bytes]
    acls: bool
    conditions: str
    refuses: str
    reads: bool


class _PlainHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _PlainServer

    def do_GET(self) -> None:
        if self.server.refuses and not self.server.reads:
            self._refuse(403, self.server.refuses)
            return
        path, _, query = self.path.partition("?")
        key = unquote(path).split("/", 2)[2:]
        if not key or not key[0]:
            self._list(parse_qs(query).get("prefix", [""])[0])
        elif key[0] in self.server.store:
            body = self.server.store[key[0]]
            self._answer(200, body, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        else:
            self._refuse(404, "NoSuchKey")

    do_HEAD = do_GET  # noqa: N815  # a name of the base class

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refuses:
            self._refuse(403, self.server.refuses)
        elif "x-amz-acl" in self.headers and not self.server.acls:
            self._refuse(400, "AccessControlListNotSupported")
        elif self.server.conditions == "refused" and {"If-Match", "If-None-Match"} & set(self.headers):
            self._refuse(501, "NotImplemented")
        else:
            self.server.store[unquote(self.path).split("/", 2)[2]] = body
            self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def do_DELETE(self) -> None:
        self.server.store.pop(unquote(self.path).split("/", 2)[2], None)
        self._answer(204, b"", {})

    def _list(self, prefix: str) -> None:
        keys = "".join(
            f"<Contents><Key>{escape(key)}</Key></Contents>"
            for key in sorted(self.server.store)
            if key.startswith(prefix)
        )
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = f'<ListBucketResult xmlns="{namespace}"><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>'
        self._answer(200, text.encode(), {"Content-Type": "application/xml"})

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>refused</Message></Error>".encode(), {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
        pass
