"""The page, from a template that may be anybody's: in Jinja2's sandbox, in a process of its own, in bounded time.

That process is kept, so that a page costs milliseconds; it is this module run as a program, and is killed where a
template does not come to an end. It gets no environment: no secret is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from .listing import Json

TIMEOUT = 5.0  # seconds that a page may take
_LARGEST = 8 << 20  # bytes of a page
_MEMORY = 192 << 20  # bytes of address space: a template must not take the memory of the container
_START = 30.0  # seconds that the process may take to begin with

SAMPLE: Json = {
    "generation": 1,
    "at": "2026-01-01T00:00:00.000Z",
    "service": "sample",
    "namespace": "sample",
    "endpoints": [
        {"ip": "192.0.2.1", "pod": "sample-<1>", "node": "node1", "since": "2026-01-01T00:00:00.000Z"},
        {"ip": "2001:db8::1", "pod": "", "node": "", "since": "2026-01-01T00:00:00.000Z"},
    ],
}


class TemplateError(Exception):
    """A template that no page can be made of; says why, in one line."""


class Renderer:
    """Makes pages of the template in a file, which may change. Thread-safe."""

    def __init__(self, path: Path, *, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._kill()

    def text(self) -> str:
        """Return the template. :raises TemplateError:"""
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise TemplateError(f"The template {self._path} cannot be read: {error}") from error

    def check(self) -> None:
        """Make a page of sample data, with endpoints and without. :raises TemplateError:"""
        text = self.text()
        for sample in (SAMPLE, {**SAMPLE, "endpoints": []}):
            self.render(sample, text)

    def render(self, context: Json, text: str | None = None) -> bytes:
        """Return the page, UTF-8. :raises TemplateError:"""
        source = self.text() if text is None else text
        with self._lock:
            answer = self._ask({"template": source, "context": context})
        if "error" in answer:
            raise TemplateError(f"The template {self._path} is wrong: {answer['error']}")
        return str(answer["page"]).encode()

    def _ask(self, question: Json) -> Json:
        process = self._process or self._begin()
        try:
            return self._exchange(process, json.dumps(question).encode() + b"\n")
        except TimeoutError as error:
            self._kill()
            raise TemplateError(
                f"The template {self._path} makes no page within {self._timeout:g} s: does it loop for ever?"
            ) from error
        except (OSError, ValueError) as error:
            self._kill()
            raise TemplateError(f"The template {self._path} ended the process that makes the page.") from error

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "slipway_publisher.page"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=Path(__file__).parents[1],
        )
        assert process.stdout
        if not _readable(process.stdout.fileno(), _START) or process.stdout.readline() != b"ready\n":
            self._kill()
            raise TemplateError("The process that makes the page does not begin.")
        os.set_blocking(process.stdout.fileno(), False)
        return process

    def _exchange(self, process: subprocess.Popen[bytes], question: bytes) -> Json:
        """Return what the process answers. :raises TimeoutError: :raises ValueError: if that is nothing."""
        assert process.stdin
        assert process.stdout
        deadline = time.monotonic() + self._timeout
        process.stdin.write(question)
        process.stdin.flush()
        answer = bytearray()
        while not answer.endswith(b"\n"):
            if not _readable(process.stdout.fileno(), deadline - time.monotonic()):
                raise TimeoutError
            chunk = os.read(process.stdout.fileno(), 1 << 20)
            answer += chunk
            if not chunk or len(answer) > 2 * _LARGEST:
                raise ValueError("the process has ended")
        return t.cast("Json", json.loads(answer))

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    _close(pipe)
            self._process = None


def _close(pipe: t.IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # what was not written yet
        pipe.close()


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])


def _serve() -> None:
    """Answer questions, a line of JSON each, until there are none."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=jinja2.StrictUndefined)
    print("ready", flush=True)
    for line in sys.stdin:
        # Who asked may be gone, and with it who would kill this.
        signal.setitimer(signal.ITIMER_REAL, 2 * TIMEOUT)
        question = json.loads(line)
        try:
            page = environment.from_string(question["template"]).render(question["context"])
            answer = {"page": page} if len(page) < _LARGEST else {"error": "the page would be larger than 8 MiB"}
        except jinja2.TemplateSyntaxError as error:
            answer = {"error": f"line {error.lineno}: {error.message}"}
        # A template may do anything that an expression of Python can.
        except Exception as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
