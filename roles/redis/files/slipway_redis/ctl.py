"""python -m slipway_redis ctl: what an operator, or a playbook, asks of the pod that it runs in. JSON on stdout."""

from __future__ import annotations

import argparse
import http.client
import importlib
import json
import os
import time
import typing as t
from collections import Counter

from ansible_collections.slipway.cloud.plugins.module_utils.program.command import refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError

from .handover import HandoverError, hand_over
from .links import Links
from .settings import Settings, from_environ

PROGRAM = "slipway_redis ctl"
_LOOK = 0.2
_MODULES = ("forget", "freeze", "thaw")  # each has a module of its own, ctl_<name>, with main(argv) -> exit code

Document = dict[str, t.Any]


class CtlError(Exception):
    """Why it was not done."""


def main(arguments: t.Sequence[str]) -> int:
    """Do one thing; returns the exit code: 0, or 1 with a line on stderr."""
    if arguments and arguments[0] in _MODULES:
        module = importlib.import_module(f".ctl_{arguments[0]}", __package__)
        return int(module.main(arguments[1:]))
    wanted = _parser().parse_args(arguments)
    try:
        answer = wanted.do(wanted)
    except (CtlError, HandoverError, SettingsError, OSError) as error:
        return refuse(PROGRAM, error, 1)
    print(json.dumps(answer))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    status = verbs.add_parser("status", help="what this node is, and who is master")
    status.set_defaults(do=_status)
    applied = verbs.add_parser("applied", help="wait until users and passwords of a version are in use")
    applied.add_argument("--version", required=True)
    applied.add_argument("--timeout", type=float, default=120.0)
    applied.set_defaults(do=_applied)
    clients = verbs.add_parser("clients", help="the connections of a user that are older than so many seconds")
    clients.add_argument("--user", required=True)
    clients.add_argument("--older-than", type=float, default=0.0)
    clients.set_defaults(do=_clients)
    handover = verbs.add_parser("handover", help="make another node master, and this one its replica")
    handover.add_argument("--to", default="")
    handover.set_defaults(do=_handover)
    return parser


def _settings() -> Settings:
    kind = state_of_this_pod()["kind"]
    return from_environ(os.environ, "data" if kind == "data" else "sentinels")


def state_of_this_pod() -> Document:
    """Return what the agent of this pod says. :raises CtlError: if it does not answer."""
    host, port = os.environ.get("SLIPWAY_BIND") or "127.0.0.1", int(os.environ.get("SLIPWAY_PORT") or 9121)
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/state")
        return t.cast(Document, json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CtlError(f"the agent of this pod does not answer at {host}:{port}: {error}") from error
    finally:
        connection.close()


def _status(_wanted: argparse.Namespace) -> Document:
    said = state_of_this_pod()
    settings = _settings()
    cluster = settings.cluster()
    answers = Counter(each.master for each in Links(settings).voices(cluster).values() if each.master)
    master, count = answers.most_common(1)[0] if answers else ("", 0)
    live, state = said.get("live") or {}, said.get("state") or {}
    role = live.get("role") or ("blocked" if said.get("blocked") else said.get("phase", ""))
    return {
        "pod": settings.pod,
        "kind": said["kind"],
        "role": "sentinel" if said["kind"] == "sentinel" else role,
        "epoch": state.get("epoch", said.get("epoch", -1)),
        "offset": live.get("offset", state.get("offset", 0)),
        "replid": live.get("replid", state.get("replid", "")),
        "dbsize": live.get("dbsize", state.get("dbsize", 0)),
        "lasting": live.get("lasting", 0),
        "link": "up" if live.get("link_up") else "down",
        "lag": live.get("lag", 0.0),
        "acl_version": said.get("version", ""),
        "master": master if count >= cluster.majority else "",
        "blocked": said.get("blocked", ""),
    }


def _applied(wanted: argparse.Namespace) -> Document:
    end = time.monotonic() + wanted.timeout
    while (version := state_of_this_pod().get("version")) != wanted.version:
        if time.monotonic() >= end:
            raise CtlError(f"version {version!r} is in use, not {wanted.version!r}, after {wanted.timeout:g} s")
        time.sleep(_LOOK)
    return {"version": version}


def _clients(wanted: argparse.Namespace) -> Document:
    settings = _settings()
    own = Links(settings).own(settings.cluster().named(settings.pod))
    rows = [
        {"addr": each["addr"], "name": each["name"], "age": int(each["age"])}
        for each in own.client_list()
        if each["user"] == wanted.user and int(each["age"]) > wanted.older_than
    ]
    return {"clients": rows}


def _handover(wanted: argparse.Namespace) -> Document:
    settings = _settings()
    cluster = settings.cluster()
    if wanted.to and wanted.to not in {each.name for each in cluster.data}:
        raise CtlError(f"{wanted.to!r} is no data node: give one of {', '.join(each.name for each in cluster.data)}")
    me = cluster.named(settings.pod)
    done = hand_over(Links(settings), cluster, me, seconds=settings.handover_seconds, to=wanted.to)
    return {"master": done.master, "paused": done.paused, "steps": done.steps}
