"""Where text goes: results to stdout, all else to stderr; on a terminal the last line is rewritten while pods come."""

from __future__ import annotations

import datetime as dt
import json
import time
import typing as t

from . import render

if t.TYPE_CHECKING:
    from google.protobuf.message import Message
    from slipway.v1 import clusters_pb2

    from .errors import SlipwayctlError

_CLEAR = "\r\x1b[K"


class Output:
    """The two streams of this process, for people or for programs."""

    def __init__(
        self, out: t.TextIO, err: t.TextIO, *, as_json: bool, quiet: bool, environ: t.Mapping[str, str]
    ) -> None:
        self._out = out
        self._err = err
        self._json = as_json
        self._quiet = quiet
        self._live = err.isatty() and environ.get("TERM") != "dumb"
        self._paint = render.painter(terminal=out.isatty(), environ=environ)
        self._paint_err = render.painter(terminal=err.isatty(), environ=environ)
        self._began = time.monotonic()
        self._seen = ""
        self._open = False  # whether the last line of the terminal is yet to be rewritten

    def clusters(self, found: t.Sequence[clusters_pb2.Cluster]) -> None:
        """Write a list of clusters."""
        if self._json:
            self._dump({"clusters": [render.as_json(each) for each in found]})
        elif not found:
            self.note("There are no clusters.")
        else:
            self._lines(render.table(found, now=_now(), paint=self._paint))

    def cluster(self, found: clusters_pb2.Cluster) -> None:
        """Write one cluster, and what is wrong with it."""
        if self._json:
            self._dump(render.as_json(found))
        else:
            self._lines(render.details(found, now=_now(), paint=self._paint))

    def answer(self, message: Message, line: t.Callable[[render.Paint], str]) -> None:
        """Write the answer of a call: whole for programs, as a line for people."""
        if self._json:
            self._dump(render.as_json(message))
        else:
            self._lines([line(self._paint)])

    def change(self, seen: clusters_pb2.WatchClusterResponse) -> None:
        """Write a change that somebody asked to see."""
        if self._json:
            self._lines([json.dumps(render.as_json(seen))])
        elif (told := render.change(seen, 0)) != self._seen:  # pods change more often than what is said of them
            self._seen = told
            self._lines([render.change(seen, time.monotonic() - self._began, self._paint)])

    def progress(self, seen: clusters_pb2.WatchClusterResponse) -> None:
        """Show how far a call is: a line for each state, on a terminal with what happens in between."""
        if self._quiet:
            return
        key = f"{seen.cluster.uid} {seen.cluster.state} {seen.cluster.cause.code}"
        line = render.change(seen, time.monotonic() - self._began, self._paint_err)
        if self._live:
            self._err.write(f"{_CLEAR if self._open and key == self._seen else self._end()}{line}")
            self._open = True
        elif key != self._seen:
            self._err.write(f"{line}\n")
        self._seen = key
        self._err.flush()

    def log(self, message: str, **fields: render.Scalar) -> None:
        """Write a line of a log to stdout."""
        self._lines([render.logfmt(message, _now(), **fields)])

    def note(self, text: str) -> None:
        """Tell what goes on."""
        if not self._quiet:
            self._tell([text])

    def error(self, error: SlipwayctlError) -> None:
        """Tell what failed."""
        self._tell(render.error_lines(error, self._paint_err))
        if self._json:
            self._dump(render.error_json(error))

    def _tell(self, lines: t.Sequence[str]) -> None:
        self._err.write(self._end() + "".join(f"{line}\n" for line in lines))
        self._err.flush()

    def _lines(self, lines: t.Sequence[str]) -> None:
        self._err.write(self._end())
        self._err.flush()
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def _dump(self, found: render.Json) -> None:
        self._lines([json.dumps(found, indent=2)])

    def _end(self) -> str:
        """Return what ends the line that is being rewritten."""
        ended, self._open = "\n" if self._open else "", False
        return ended


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
