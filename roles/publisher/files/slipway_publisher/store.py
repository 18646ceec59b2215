"""One bucket: the few requests that the publisher makes of it, and what their refusals mean."""

from __future__ import annotations

import json
import logging
import threading
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.exceptions import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .settings import Target

log = logging.getLogger(__name__)

_CONTENT_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8"}
_RIVALS = 16  # writers of the probe
_CONNECT, _READ = 1.5, 4.0  # seconds
_AT_ONCE = 1000  # keys that one request may delete

Code = t.Literal["unreachable", "credentials", "denied", "bucket_missing", "clock", "conflict", "unsupported", "failed"]

# By the code of S3's answer, else by its status.
_MEANINGS: dict[str, tuple[Code, str]] = {
    "NoSuchBucket": ("bucket_missing", "the bucket does not exist: make it, or have it made by create"),
    "InvalidAccessKeyId": ("credentials", "the store does not know the key: check key and secret"),
    "XAdminUserNotFound": ("credentials", "the store does not know the key: check key and secret"),  # versitygw's
    "SignatureDoesNotMatch": ("credentials", "the secret is not the key's: check key and secret"),
    "RequestTimeTooSkewed": ("clock", "the clocks of this machine and of the store differ too much: set them"),
    "RequestExpired": ("clock", "the clocks of this machine and of the store differ too much: set them"),
    "AccessDenied": ("denied", "the key may not do that: allow it to read, write and list the bucket"),
    "PreconditionFailed": ("conflict", "somebody else has written it"),
    "ConditionalRequestConflict": ("conflict", "somebody else is writing it"),
    "NotImplemented": ("unsupported", "the store cannot do that"),
    "401": ("credentials", "the store does not accept key and secret: check them"),
    "403": ("denied", "the key may not do that: allow it to read, write and list the bucket"),
    "409": ("conflict", "somebody else is writing it"),
    "412": ("conflict", "somebody else has written it"),
    "501": ("unsupported", "the store cannot do that"),
}


class StoreError(Exception):
    """A request that came to nothing: says what, of which target, why, and what to do."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


class ConflictError(StoreError):
    """Somebody else has written the object, or writes it."""


class BucketMissingError(StoreError):
    """There is no bucket."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the bucket."""

    body: bytes
    etag: str


class Store:
    """A bucket. Thread-safe."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.conditions = True  # whether the store knows of any
        self._acl = target.privilege
        self._lock = threading.Lock()
        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=_RIVALS,
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",  # others than Amazon's do not all know the newer ones
            response_checksum_validation="when_required",
        )
        session = boto3.session.Session(
            aws_access_key_id=target.key, aws_secret_access_key=target.secret, region_name=target.region
        )
        self._s3 = session.client("s3", endpoint_url=target.url, config=config)

    def get(self, key: str) -> Stored | None:
        """Return an object, None if it is not there."""
        try:
            answer = self._ask("get_object", f"read {key}", Key=key)
            return Stored(answer["Body"].read(), answer["ETag"])
        except _MissingError:
            return None
        except (BotoCoreError, OSError) as error:  # in the middle of the body
            raise self._error(f"read {key}", error) from error

    def etag(self, key: str) -> str | None:
        """Return the tag of an object, None if it is not there."""
        try:
            return str(self._ask("head_object", f"look at {key}", Key=key)["ETag"])
        except _MissingError:
            return None

    def put(self, key: str, body: bytes, *, replaces: str | None) -> str:
        """Write an object in the place of the one with the tag ``replaces``, or of none; return its tag.

        :raises ConflictError: if something else is there.
        """
        condition = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        arguments = {
            "Key": key,
            "Body": body,
            "ContentType": _CONTENT_TYPES.get(key[key.rfind(".") :], "text/html; charset=utf-8"),
            "CacheControl": "no-cache",
            **(condition if self.conditions else {}),
        }
        with self._lock:
            acl = self._acl
        if acl:
            try:
                return str(self._ask("put_object", f"write {key}", ACL=acl, **arguments)["ETag"])
            except (ConflictError, BucketMissingError):
                raise
            except StoreError as error:
                if error.code in ("unreachable", "credentials", "clock"):
                    raise
                tag = str(self._ask("put_object", f"write {key}", **arguments)["ETag"])
                self._drop_acl(error)
                return tag
        return str(self._ask("put_object", f"write {key}", **arguments)["ETag"])

    def _drop_acl(self, error: StoreError) -> None:
        with self._lock:
            if self._acl:
                log.warning(
                    "Target %s refuses the ACL %s; it is published to without: who may read is up to the bucket. %s",
                    self.target.name,
                    self._acl,
                    error,
                    extra={"target": self.target.name},
                )
            self._acl = ""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin so."""
        return list(self._keys(prefix))

    def _keys(self, prefix: str) -> Iterator[str]:
        query: dict[str, str] = {"Prefix": prefix}
        while True:
            page = self._ask("list_objects_v2", f"list {prefix}", **query)
            yield from (each["Key"] for each in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            query["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects."""
        for key in keys:
            self._ask("delete_object", f"delete {key}", Key=key)

    def prune_versions(self, key: str, *, keep: int) -> int:
        """Delete all but the newest ``keep`` former versions of an object; return how many."""
        found = self._ask("list_object_versions", f"list the versions of {key}", Prefix=key).get("Versions", [])
        former = [each for each in found if each["Key"] == key and not each["IsLatest"]]
        former.sort(key=lambda each: each["LastModified"], reverse=True)
        for each in former[keep:]:
            self._ask("delete_object", f"delete a version of {key}", Key=key, VersionId=each["VersionId"])
        return len(former[keep:])

    def create(self, readable: Iterable[str]) -> None:
        """Make the bucket, with versions, if it is missing; let everybody read what the patterns of keys name."""
        try:
            self._ask("create_bucket", "make the bucket")
            log.info("Made the bucket of target %s", self.target.name, extra={"target": self.target.name})
        except ConflictError:  # it is there
            pass
        self._ask("put_bucket_versioning", "have versions", VersioningConfiguration={"Status": "Enabled"})
        bucket = f"arn:aws:s3:::{self.target.bucket}"
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": [f"{bucket}/{pattern}" for pattern in readable],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._ask("put_bucket_policy", "let the listing be read", Policy=policy)

    def probe(self) -> bool:
        """Return whether exactly one of many writers at once wins, if each writes on condition that nothing is there.

        Notes whether the store knows of conditions at all.
        """
        key = f"probe/{uuid.uuid4()}"
        with ThreadPoolExecutor(_RIVALS) as pool:
            outcomes = list(pool.map(lambda number: self._rival(key, number), range(_RIVALS)))
        errors = [each for each in outcomes if isinstance(each, StoreError) and not isinstance(each, ConflictError)]
        won = sum(each is None for each in outcomes)
        if not won and errors:
            if errors[0].code != "unsupported":
                raise errors[0]
            self.conditions = False
            return False
        self.delete([key])
        return won == 1

    def _rival(self, key: str, number: int) -> StoreError | None:
        try:
            self.put(key, str(number).encode(), replaces=None)
        except StoreError as error:
            return error
        return None

    def _ask(self, call: str, action: str, **arguments: t.Any) -> t.Any:
        try:
            return getattr(self._s3, call)(Bucket=self.target.bucket, **arguments)
        except (ClientError, BotoCoreError, OSError) as error:
            raise self._error(action, error) from error

    def _error(self, action: str, error: Exception) -> StoreError:
        """Say what an exception of boto3 means."""
        what = f"Target {self.target.name} ({self.target.url}/{self.target.bucket}): cannot {action}"
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
            said = error.response.get("Error", {}).get("Message") or f"HTTP status {status}"
            kind, meaning = _MEANINGS.get(code) or _MEANINGS.get(status) or ("failed", "the store failed")
            if code in ("NoSuchKey", "404"):
                return _MissingError(f"{what}: it is not there.", "failed")
            if code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                kind = "conflict"
            exact = {"conflict": ConflictError, "bucket_missing": BucketMissingError}.get(kind, StoreError)
            return exact(f"{what}: {meaning} ({code or status}: {said}).", kind)
        if isinstance(error, HTTPClientError | NoConnectionError | OSError):
            return StoreError(f"{what}: it does not answer ({error}).", "unreachable")
        return StoreError(f"{what}: {error}.", "failed")


class _MissingError(StoreError):
    """There is no such object."""
