"""An app that was written for one Redis and knows nothing of ours: GET /NAME counts by that name, GET /ping asks Redis.

It is told by PORT, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and REDIS_DB, as the app of the seed.
"""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis

CLIENT = redis.Redis(
    host=os.environ["REDIS_HOST"],
    port=int(os.environ["REDIS_PORT"]),
    password=os.environ["REDIS_PASSWORD"],
    db=int(os.environ["REDIS_DB"]),
    socket_timeout=2,
    protocol=2,
)


class Handler(BaseHTTPRequestHandler):
    """A request."""

    def do_GET(self) -> None:
        """Count, or ask Redis."""
        try:
            answer = CLIENT.ping() if self.path == "/ping" else {"count": CLIENT.incr(self.path[1:])}
        except redis.exceptions.RedisError as error:
            self._say(500, {"error": str(error)})
        else:
            self._say(200, answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _say(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
