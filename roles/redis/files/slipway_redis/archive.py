"""Backups in a bucket: which there are, and the few requests that are made of it."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-not-found,import-untyped,unused-ignore]

_CONNECT, _READ = 5.0, 60.0  # seconds
_BLOCK = 1 << 20
BEFORE: t.Final = "before-"
"""What the names begin with of what a restore has replaced."""
_MISSING = ("NoSuchBucket", "NoSuchKey", "404")


class ArchiveError(Exception):
    """A request that came to nothing: says what, of which bucket, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is noted of a backup. It is there once its note is, which is written last.

    ``at`` is UTC as 20261129T101500Z; ``values`` are those of the keys that somebody wants to be told of.
    """

    name: str
    at: str
    master_name: str
    source: str
    epoch: int
    offset: int
    keys: int
    values: dict[str, str]
    size: int
    sha256: str
    redis_version: str

    def as_json(self) -> str:
        """Return the note."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: bytes) -> Backup:
        """Read a note. :raises ArchiveError:"""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ArchiveError(f"What is noted of a backup cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bucket; by ``create`` it is ours to make."""

    name: str
    url: str
    bucket: str
    region: str = "us-east-1"
    key: str
    secret: str
    create: bool = False
    privilege: str = ""  # of the publisher's targets; a backup is nobody's but the owner's

    @classmethod
    def read(cls, path: Path) -> Target:
        """Read the first target of a file as the publisher has it, which is never quoted. :raises ArchiveError:"""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8"))[0])
        except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
            raise ArchiveError(f"{path} names no target ({type(error).__name__})") from error


class Archive:
    """The backups of one Redis: in a bucket, below a prefix."""

    def __init__(self, target: Target, prefix: str) -> None:
        self.target = target
        self._prefix = prefix.rstrip("/") + "/"
        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",  # others than Amazon's do not all know the newer ones
            response_checksum_validation="when_required",
        )
        session = boto3.session.Session(
            aws_access_key_id=target.key, aws_secret_access_key=target.secret, region_name=target.region
        )
        self._s3 = session.client("s3", endpoint_url=target.url, config=config)

    def prepare(self) -> None:
        """Have the bucket, if it is ours to make."""
        if self.target.create:
            try:
                self._ask("create_bucket", "make the bucket")
            except ArchiveError as error:
                if getattr(error.__cause__, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode") != 409:
                    raise

    def newest(self) -> Backup | None:
        """Return the newest backup, if there is any, that is not what a restore has replaced."""
        names = self._names(before=False)
        return self.named(names[0]) if names else None

    def named(self, name: str) -> Backup:
        """Return the note of a backup. :raises ArchiveError: if there is none of that name."""
        return Backup.of(self._get(f"{self._prefix}{name}.json"))

    def store(self, backup: Backup, file: Path) -> None:
        """Write a backup, its note last."""
        with file.open("rb") as body:
            self._ask("put_object", f"write {backup.name}.rdb", Key=f"{self._prefix}{backup.name}.rdb", Body=body)
        note = backup.as_json().encode()
        self._ask("put_object", f"write {backup.name}.json", Key=f"{self._prefix}{backup.name}.json", Body=note)

    def fetch(self, backup: Backup, file: Path) -> None:
        """Read a backup into a file. :raises ArchiveError: also if it is not what was written."""
        answer = self._ask("get_object", f"read {backup.name}.rdb", Key=f"{self._prefix}{backup.name}.rdb")
        with file.open("wb") as out:
            for block in answer["Body"].iter_chunks(_BLOCK):
                out.write(block)
        if digest_of(file) != backup.sha256:
            raise ArchiveError(f"{backup.name}.rdb is not what was written: it has another sha256")

    def prune(self, keep: int) -> None:
        """Delete all but the newest, of each its note first; so many stay of what restores replaced, too."""
        for before in (True, False):
            for name in self._names(before=before)[keep:]:
                for ending in ("json", "rdb"):
                    key = f"{self._prefix}{name}.{ending}"
                    self._ask("delete_object", f"delete {name}.{ending}", Key=key)

    def _names(self, *, before: bool) -> list[str]:
        """Return the names of backups, or of what restores have replaced, the newest first."""
        names = {Path(key).stem for key in self._keys() if key.endswith(".json")}
        return sorted((name for name in names if name.startswith(BEFORE) == before), reverse=True)

    def _keys(self) -> t.Iterator[str]:
        query: dict[str, str] = {"Prefix": self._prefix}
        while True:
            page = self._ask("list_objects_v2", "list the backups", **query)
            yield from (str(each["Key"]) for each in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            query["ContinuationToken"] = page["NextContinuationToken"]

    def _get(self, key: str) -> bytes:
        body: bytes = self._ask("get_object", f"read {key}", Key=key)["Body"].read()
        return body

    def _ask(self, call: str, action: str, **arguments: t.Any) -> t.Any:
        try:
            return getattr(self._s3, call)(Bucket=self.target.bucket, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            why = "it is not there" if code in _MISSING else str(error)
            raise ArchiveError(f"{self.target.url}/{self.target.bucket}: cannot {action}: {why}") from error
        except (BotoCoreError, OSError) as error:
            raise ArchiveError(f"{self.target.url}/{self.target.bucket}: cannot {action}: {error}") from error


def digest_of(file: Path) -> str:
    """Return the sha256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
