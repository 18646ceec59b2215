"""One publication, as a cron job makes it: without a Lease, and without a stream."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from . import listing
from .journal import Journal
from .listing import Snapshot, digest
from .store import Store
from .targets import Job, Rules, in_order, newest

if t.TYPE_CHECKING:
    from .metrics import Metrics
    from .page import Renderer
    from .settings import Settings
    from .targets import Target
    from .view import View

_TRIES = 4  # where others write too


class NothingPublishedError(Exception):
    """What kept this from publishing, in one line."""


def publish(settings: Settings, view: View, renderer: Renderer, metrics: Metrics) -> Snapshot:
    """Publish to all targets; return the state that they have now.

    :raises NothingPublishedError: if one of them has not got it; the others have. :raises TemplateError: before
        anything is written. :raises EngineError: if the API server does not say who is ready.
    """
    renderer.check()
    endpoints = view.list()
    if not endpoints and not view.service_exists():
        raise NothingPublishedError(f"There is no Service {settings.service} in namespace {settings.namespace}.")
    journal = Journal(settings.history_count)
    rules = Rules(
        output=settings.output,
        count=settings.history_count,
        days=settings.history_days,
        may_write=lambda: True,
        higher=lambda _found, _first: None,
        done=lambda _target, _snapshot: None,
    )
    targets = in_order(map(Store, settings.targets), journal, metrics, rules)
    for term in range(_TRIES):
        _all(targets, Job(term))
        snapshot = _next(settings, newest(targets), endpoints)
        journal.add(snapshot)
        failed = _all(targets, Job(term, snapshot, renderer.render(snapshot.context)))
        if not any(each.error is None or each.error.code == "conflict" for each in failed):
            break
    if failed:
        raise NothingPublishedError(
            " ".join(str(each.error or f"Target {each.title}: others write to it.") for each in failed)
        )
    return snapshot


def _next(settings: Settings, last: Snapshot | None, endpoints: listing.Endpoints) -> Snapshot:
    if last and digest(last.endpoints) == digest(endpoints):
        return last
    return listing.following(
        last,
        endpoints,
        generation=last.generation + 1 if last else 1,
        now=time.time(),
        service=settings.service,
        namespace=settings.namespace,
    )


def _all(targets: t.Sequence[Target], job: Job) -> list[Target]:
    """Do something with all targets at once; return those that it failed with."""
    with ThreadPoolExecutor(len(targets)) as pool:
        done = list(pool.map(lambda each: each.attempt(job), targets))
    return [each for each, good in zip(targets, done, strict=True) if not good]
