"""The command line: what can be said, as tables, and how a command ends."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import shlex
import signal
import sys
import typing as t
from dataclasses import dataclass

from . import calls, commands
from .connection import NAMESPACE, TLS_DIR, Access, Connection, route_of
from .errors import SlipwayctlError
from .output import Output

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
A worker is reached at --address, else through a port-forward by the kubeconfig to a ready pod of the Service worker,
with the certificate in the Secret worker-client. Calls that get no answer are repeated until --timeout; they never do
a thing twice. Progress goes to stderr, results to stdout.

environment:
  SLIPWAY_ADDRESS, SLIPWAY_TLS_DIR   defaults of --address and --tls-dir
  SLIPWAY_TOKEN                      a bearer token, where the worker asks for one
  K8S_AUTH_KUBECONFIG, KUBECONFIG    the kubeconfig, if not by --kubeconfig
  NO_COLOR                           no colours

exit codes:
  0 done   1 a call failed, or an answer was wrong   2 the command line is wrong   130 interrupted
"""

Add = t.Callable[[argparse.ArgumentParser], None]
Arguments = argparse.Namespace


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand; ``timeout`` is its default in seconds."""

    name: str
    summary: str
    run: commands.Run
    add: tuple[Add, ...]
    timeout: float
    more: str = ""


def int32(text: str) -> int:
    """Return a number that the protocol can carry; whether it makes sense, the worker says."""
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is too far from 0")
    return number


def at_least(least: float, kind: type[int] | type[float]) -> t.Callable[[str], float]:
    """Return what reads a finite number that is not below ``least``."""

    def number(text: str) -> float:
        value = kind(text)
        if not (math.isfinite(value) and value >= least):
            raise argparse.ArgumentTypeError(f"{text} is not {least:g} or more")
        return value

    number.__name__ = "number"  # argparse says: invalid number value
    return number


def pair(text: str) -> tuple[str, str]:
    """Return the two halves of KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def words(text: str) -> list[str]:
    """Return a command line as a shell would split it."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the cluster, a DNS label")


def _replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--replicas", type=int32, required=True, metavar="N", help="how many pods")


def _wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True, help="until all pods are there, or gone"
    )


def _uid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uid", default="", help="only that very cluster, not a later one of this name")


def _spec(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pods")
    group.add_argument("--image", default="", help="default: the worker's")
    group.add_argument(
        "--command", dest="command_", type=words, default=[], help="program in place of the image's own, as in a shell"
    )
    group.add_argument("--args", type=words, default=[], help="arguments in place of the image's own, as in a shell")
    for option, metavar, text in (
        ("--env", "NAME=VALUE", "environment variable; may be repeated"),
        ("--label", "KEY=VALUE", "further label; may be repeated"),
        ("--request", "RESOURCE=AMOUNT", "what a pod sets aside, as cpu=10m; may be repeated"),
        ("--limit", "RESOURCE=AMOUNT", "what a pod may use, as memory=64Mi; may be repeated"),
    ):
        group.add_argument(option, type=pair, action="append", default=[], metavar=metavar, help=text)


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--join", action="store_true", help="wait for a cluster that another call is creating")
    parser.add_argument("--keep-failed", action="store_true", help="keep a cluster whose pods cannot become available")
    parser.add_argument("--request-id", default="", help="continue the call of this id; default: a random one")


def _delete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-missing", action="store_true", help="no such cluster counts as deleted")


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--await-creation", action="store_true", help="wait for a cluster that does not exist yet")


def _scenario(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="driver", metavar="NAME", help="of the cluster (driver)")
    parser.add_argument("--replicas", type=int32, default=30, metavar="N", help="how many pods (30)")


def _soak(parser: argparse.ArgumentParser) -> None:
    whole, time = at_least(1, int), at_least(0, float)
    parser.add_argument("--seconds", type=time, default=900, help="for how long (900; the seed's 10 hours: 36000)")
    parser.add_argument("--interval", type=time, default=1, help="seconds between two clusters of one row (1)")
    parser.add_argument("--clusters", type=whole, default=3, metavar="N", help="rows of clusters at a time (3)")
    parser.add_argument("--replicas", type=whole, default=3, metavar="N", help="most pods of a cluster (3)")
    parser.add_argument("--report", type=at_least(1, float), default=60, metavar="SECONDS", help="between lines (60)")
    parser.add_argument("--state", default="", metavar="FILE", help="notes what is in flight, for the run after a kill")


COMMANDS: tuple[Command, ...] = (
    Command("create", "make a cluster and wait for its pods", commands.create,
            (_name, _replicas, _wait, _create, _spec), calls.LONG),
    Command("delete", "delete a cluster and wait until its pods are gone", commands.delete,
            (_name, _uid, _wait, _delete), calls.LONG),
    Command("scale", "give a cluster another number of pods and wait for them", commands.scale,
            (_name, _replicas, _uid, _wait), calls.LONG),
    Command("get", "show a cluster, and what is wrong with it", commands.get, (_name,), calls.SHORT),
    Command("list", "show the clusters of a namespace", commands.list_, (), calls.SHORT),
    Command("watch", "show each change of a cluster until it is gone", commands.watch, (_name, _watch), calls.SHORT,
            "--timeout is for how long no worker may be there."),
    Command("scenario", "the seed's: create, wait, delete, wait, in four lines of a log", commands.scenario,
            (_scenario, _spec), 600.0, "Waits for the first worker, if there is none yet."),
    Command("soak", "create, scale, get, list and delete clusters for long, and check each answer", commands.soak,
            (_soak, _spec), 120.0,
            "Ends with 1 at the first wrong answer, after cleaning up. --timeout is that of each call."),
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="slipwayctl",
        description="Clusters of pods, by the workers of Slipway.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subs = top.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        sub = subs.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}. {command.more}".rstrip(),
            epilog="Environment and exit codes: slipwayctl --help",
            allow_abbrev=False,
        )
        for add in command.add:
            add(sub)
        _common(sub, command.timeout)
        sub.set_defaults(run=command.run)
    return top


def _common(sub: argparse.ArgumentParser, timeout: float) -> None:
    sub.add_argument("-n", "--namespace", default="", help="of the clusters; default: the worker's first")
    sub.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text, or protobuf's JSON")
    sub.add_argument("-q", "--quiet", action="store_true", help="no progress")
    sub.add_argument(
        "--timeout",
        type=at_least(0, float),
        default=timeout,
        metavar="SECONDS",
        help=f"until it is given up ({timeout:g})",
    )
    group = sub.add_argument_group("worker")
    environ = os.environ
    for option, default, metavar, text in (
        ("--address", environ.get("SLIPWAY_ADDRESS", ""), "HOST:PORT", "connect to it; default: a port-forward"),
        ("--tls-dir", environ.get("SLIPWAY_TLS_DIR", TLS_DIR), "DIR", "certificates for --address"),
        ("--server-name", "", "NAME", "that the worker's certificate must have"),
        ("--worker-namespace", NAMESPACE, "NAME", "where the workers are (slipway)"),
        ("--kubeconfig", "", "FILE", "for the port-forward"),
        ("--context", "", "NAME", "of the kubeconfig"),
    ):
        group.add_argument(option, default=default, metavar=metavar, help=text)


def run(argv: t.Sequence[str]) -> int:
    """Run a command line, and return its exit code."""
    arguments = parser().parse_args(argv)
    quiet = arguments.quiet or (arguments.command in ("scenario", "soak") and not sys.stderr.isatty())
    output = Output(sys.stdout, sys.stderr, as_json=arguments.output == "json", quiet=quiet, environ=os.environ)
    try:
        return asyncio.run(_supervised(arguments, output))
    except SlipwayctlError as error:
        output.error(error)
        return FAILED
    except BrokenPipeError:  # whoever reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


async def _supervised(arguments: Arguments, output: Output) -> int:
    """Run a command, and interrupt it by SIGINT and SIGTERM: as the first process of a container too."""
    task = asyncio.ensure_future(_connected(arguments, output))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return await task


async def _connected(arguments: Arguments, output: Output) -> int:
    access = Access(
        address=arguments.address,
        server_name=arguments.server_name,
        tls_dir=arguments.tls_dir,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        worker_namespace=arguments.worker_namespace,
    )
    connection = Connection(route_of(access, os.environ))
    token = os.environ.get("SLIPWAY_TOKEN", "")
    async with contextlib.aclosing(connection):
        clusters = calls.Clusters(connection, token=token, note=output.note)
        done: int = await arguments.run(commands.Session(clusters, output, arguments))
        return done
