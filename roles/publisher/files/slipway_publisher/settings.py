"""What the publisher is told, by environment variables and the file of its targets. Pure, but for reading that file."""

from __future__ import annotations

import json
import math
import re
import socket
import typing as t
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    number,
    object_name,
    port,
    read,
    seconds,
    whole,
)

_BUCKET = re.compile(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]")
_ACLS = ("", "private", "public-read", "public-read-write", "authenticated-read", "bucket-owner-full-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bucket to publish to. ``privilege`` is the ACL of its objects, if any; by ``create`` it is ours to make."""

    name: str
    url: str
    bucket: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    privilege: str = ""
    region: str = "us-east-1"
    create: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables of the table below, read. Times in seconds."""

    targets: tuple[Target, ...]
    template: Path
    output: str
    service: str
    namespace: str
    lease: str
    identity: str
    quiet: float
    longest: float
    history_count: int
    history_days: float
    lease_seconds: int
    inactivity: float
    relist: float
    port: int


def from_environ(environ: t.Mapping[str, str]) -> Settings:
    """Return the settings. :raises SettingsError: with everything that is wrong."""
    values, problems = read(environ, VARIABLES)
    values["targets"] = _targets(environ, problems)
    if values.get("longest", math.inf) < values.get("quiet", 0):
        problems.append("SLIPWAY_LONGEST is less than SLIPWAY_QUIET: give at least as much")
    if problems:
        raise SettingsError(problems)
    values["template"] = values.pop("template_dir") / values.pop("template_name")
    return Settings(**values)


def _targets(environ: t.Mapping[str, str], problems: list[str]) -> tuple[Target, ...]:
    """Return the targets of the file, or the bucket of the seed's variables; note what is wrong with them."""
    path = environ.get("SLIPWAY_TARGETS_FILE", "").strip()
    try:
        targets = _of_file(Path(path)) if path else (_of_seed(environ),)
    except ValueError as error:
        problems.append(f"SLIPWAY_TARGETS_FILE is {path!r}: {error}" if path else str(error))
        return ()
    names = [each.name for each in targets]
    problems += [
        f"target {name!r} is given twice" for name in sorted({each for each in names if names.count(each) > 1})
    ]
    problems += [f"target {each.name!r}: {problem}" for each in targets for problem in _wrong(each)]
    return targets


def _of_seed(environ: t.Mapping[str, str]) -> Target:
    def first(*names: str) -> str:
        return next((text for name in names if (text := environ.get(name, "").strip())), "")

    target = Target(
        name="bucket",
        url=first("BUCKET_URL"),
        bucket=first("BUCKET_NAME"),
        key=first("BUCKET_KEY", "SPACES_KEY"),
        secret=first("BUCKET_SECRET", "SPACES_SECRET"),
        privilege=first("BUCKET_PRIVILEGE") or "public-read",
    )
    needed = {
        "BUCKET_URL": target.url,
        "BUCKET_NAME": target.bucket,
        "BUCKET_KEY (or SPACES_KEY)": target.key,
        "BUCKET_SECRET (or SPACES_SECRET)": target.secret,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ValueError(f"{', '.join(missing)} not set: set it, or name all targets by SLIPWAY_TARGETS_FILE")
    return target


def _of_file(path: Path) -> tuple[Target, ...]:
    """Read the file. :raises ValueError: which never quotes it: it has secrets."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(document, list) or not document or not all(isinstance(each, dict) for each in document):
        raise ValueError("it is no list of at least one target, each an object")
    return tuple(_of_row(number, row) for number, row in enumerate(document))


def _of_row(number: int, row: dict[str, t.Any]) -> Target:
    known = {each.name: each for each in fields(Target)}
    name = row.get("name") or f"number {number}"
    unknown = sorted(set(row) - set(known))
    missing = [each for each in ("name", "url", "bucket", "key", "secret") if not row.get(each)]
    wrong = [each for each in known if each in row and not isinstance(row[each], bool if each == "create" else str)]
    for what, names in (("lacks", missing), ("has unknown fields:", unknown), ("has fields of a wrong type:", wrong)):
        if names:
            raise ValueError(f"target {name!r} {what} {', '.join(names)}")
    return Target(**row)


def _wrong(target: Target) -> t.Iterator[str]:
    try:
        parts = urlsplit(target.url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) and not parts.query
    except ValueError:
        good = False
    if not good:
        yield f"its url is {target.url!r}: give http://HOST:PORT or https://HOST"
    if not _BUCKET.fullmatch(target.bucket):
        yield f"its bucket is {target.bucket!r}, which is no name of a bucket"
    if target.privilege not in _ACLS:
        yield f"its privilege is {target.privilege!r}: give one of {', '.join(filter(None, _ACLS))}, or none"


def _file(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError("give the name of a file, without a directory")
    return text


def _output(text: str) -> str:
    if (
        text.startswith(("/", "history/"))
        or text == "index.json"
        or any(part in ("", ".", "..") for part in text.split("/"))
    ):
        raise ValueError("give a key that is neither index.json nor of the history, such as index.html")
    return text


STORES: t.Mapping[str, str] = {
    "SLIPWAY_TARGETS_FILE": 'JSON: list of {"name", "url", "bucket", "key", "secret", "privilege", "region", "create"}',
    "BUCKET_URL": "or else: where the only store is, as https://nyc3.digitaloceanspaces.com",
    "BUCKET_NAME": "its bucket",
    "BUCKET_KEY": "who may write there; or SPACES_KEY",
    "BUCKET_SECRET": "by which secret; or SPACES_SECRET",
    "BUCKET_PRIVILEGE": "the ACL of its objects [public-read]",
}
VARIABLES: t.Mapping[str, Variable] = {
    "template_dir": Variable("TEMPLATE_DIR", Path, "/etc/slipway/template", "where the template is"),
    "template_name": Variable("TEMPLATE_NAME", _file, "index.template", "the template of the page, Jinja2"),
    "output": Variable("TEMPLATE_OUTPUT", _output, "index.html", "the key of the page"),
    "service": Variable("SERVICE_NAME", object_name, None, "the Service whose pods are listed"),
    "namespace": Variable("SLIPWAY_NAMESPACE", object_name, None, "where that Service is, and the Lease"),
    "lease": Variable("SLIPWAY_LEASE", object_name, "publisher", "the Lease by which one publisher of all publishes"),
    "identity": Variable("SLIPWAY_IDENTITY", str, socket.gethostname(), "who this publisher is in the Lease"),
    "quiet": Variable(
        "SLIPWAY_QUIET", seconds(0, 60), "0.3", "seconds without a further change before one is published"
    ),
    "longest": Variable("SLIPWAY_LONGEST", seconds(0, 60), "2", "seconds after which a change is published regardless"),
    "history_count": Variable("SLIPWAY_HISTORY_COUNT", whole(1, 100_000), "1000", "how many states are kept"),
    "history_days": Variable("SLIPWAY_HISTORY_DAYS", number(0.001, 3650), "30", "how many days they are kept"),
    "lease_seconds": Variable(
        "SLIPWAY_LEASE_SECONDS", whole(3, 600), "9", "seconds after which a silent leader is replaced"
    ),
    "inactivity": Variable(
        "SLIPWAY_INACTIVITY", seconds(1, 3600), "70", "seconds of silence after which a stream is dead"
    ),
    "relist": Variable("SLIPWAY_RELIST", seconds(1, 86400), "300", "seconds between comparisons of stream and list"),
    "port": Variable("SLIPWAY_PORT", port, "9090", "where /healthz, /readyz and /metrics are"),
}
