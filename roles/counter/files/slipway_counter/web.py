"""What is answered over HTTP: JSON to programs, and a page to people."""

from __future__ import annotations

import hashlib
import logging
import re
import typing as t
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from . import page
from .outcomes import Fate, Outcome

if t.TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .store import Store

log = logging.getLogger(__name__)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
]
_ASSETS = Path(__file__).parent / "assets"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_KEY = re.compile(r"[!-~]{1,200}")  # visible ASCII
_FORM = "application/x-www-form-urlencoded"
_FORM_SIZE = 4096  # bytes
_PAGE_PATIENCE = 1.0  # seconds that a page waits for its figure

KEY_HELP = "Idempotency-Key: give 1 to 200 visible characters of ASCII"


class KeyRefusedError(Exception):
    """A key that is none."""


def application(store: Store, leaving: t.Callable[[], bool]) -> ASGIApp:
    """Return the application; while it is ``leaving``, each connection is closed after its answer."""
    site = Site(store)
    routes = [
        Route("/", site.root, methods=["GET", "POST"]),
        Route("/count", site.count),
        Route("/healthz", healthz),
        *(asset(path) for path in sorted(_ASSETS.iterdir()) if path.suffix in _TYPES),
    ]
    return _closing(Starlette(routes=routes), leaving)


class Site:
    """The answers that need the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def root(self, request: Request) -> Response:
        """GET: the page. POST: count one."""
        if request.method == "POST":
            return await self._count_one(request)
        outcome = await self._store.count(_PAGE_PATIENCE)
        return _page(outcome, page.render(outcome))

    async def count(self, _request: Request) -> Response:
        """Return the count."""
        return _json(await self._store.count())

    async def _count_one(self, request: Request) -> Response:
        try:
            key = await _key(request)
        except KeyRefusedError:
            return JSONResponse({"error": KEY_HELP, "counted": False}, 400)
        except ClientDisconnect:
            return Response(status_code=400)
        outcome = await self._store.increment(key)
        if "text/html" not in request.headers.get("accept", ""):
            return _json(outcome)
        if outcome.fate is Fate.COUNTED:
            return RedirectResponse("/", 303)
        return _page(outcome, page.render(await self._store.count(0), failed=outcome, key=key))


async def healthz(_request: Request) -> Response:
    """Return that this process serves, whatever Redis does."""
    return PlainTextResponse("ok\n")


def asset(path: Path) -> Route:
    """Return the route of a file that the page needs."""
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"cache-control": "max-age=60", "etag": tag}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=_TYPES[path.suffix])

    return Route(f"/assets/{path.name}", answer)


async def _key(request: Request) -> str:
    """Return the caller's own key: of the header, or of the form that the page has; empty if there is none."""
    key = request.headers.get("idempotency-key")
    if key is None and request.headers.get("content-type", "").startswith(_FORM):
        key = await _form_key(request)
    if key is not None and not _KEY.fullmatch(key):
        raise KeyRefusedError
    return key or ""


async def _form_key(request: Request) -> str | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _FORM_SIZE:
            raise KeyRefusedError
    return next(iter(parse_qs(body.decode("latin-1"), keep_blank_values=True).get("key", [])), None)


def _json(outcome: Outcome) -> Response:
    if outcome.fate is Fate.COUNTED:
        headers = {"idempotency-replayed": "true"} if outcome.repeated else {}
        return JSONResponse({"count": outcome.count}, headers={"cache-control": "no-store", **headers})
    counted = None if outcome.fate is Fate.UNKNOWN else False
    return JSONResponse({"error": outcome.told, "counted": counted, "code": outcome.code}, 503, _AWAY)


def _page(outcome: Outcome, text: str) -> Response:
    counted = outcome.fate is Fate.COUNTED
    return HTMLResponse(text, 200 if counted else 503, {"cache-control": "no-store"} if counted else _AWAY)


_AWAY = {"cache-control": "no-store", "retry-after": "1"}


def _closing(app: ASGIApp, leaving: t.Callable[[], bool]) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start" and leaving():
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await app(scope, receive, say)

    return wrapped
