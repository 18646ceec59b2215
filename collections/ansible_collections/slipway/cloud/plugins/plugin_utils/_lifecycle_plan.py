# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""The file of C(playbooks/lifecycle.yml): text in, objects and steps out, or all that is wrong with it, at once."""

from __future__ import annotations

import copy
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._ansible import refuse
from ..module_utils._cluster import objects_of
from ..module_utils._spec import CLUSTER, RULES, Spec
from ..module_utils.engine import expressions
from ..module_utils.engine.errors import InvalidInputError, nearest
from ..module_utils.engine.workloads import takes
from ._documents import Document, checked, flatten, load

if t.TYPE_CHECKING:
    from ..module_utils.engine.resources import Object

SEED_STEPS: t.Final = ("create", "wait", {"scale": 2}, "wait", "delete")
KEYS = ("clusters", "fail_when", "namespace", "ready_when", "resources", "steps")

_NO_TAKER = "none of the objects is of a kind for which there is such a thing"
_TIMEOUT: Spec = {"timeout": {"type": "float"}}


class StepKind(t.NamedTuple):
    """What a step can be told.

    :param state: the state of M(slipway.cloud.custom_resource) that it brings about, if it does.
    :param main: the option that a value other than a mapping is for; ``whole`` if a mapping is for it too.
    """

    spec: Spec
    state: str = ""
    main: str = ""
    whole: bool = False


STEPS: dict[str, StepKind] = {
    "create": StepKind({**_TIMEOUT, "replicas": {"type": "int"}}, state="present"),
    "wait": StepKind(_TIMEOUT, state="ready", main="timeout"),
    "scale": StepKind({**_TIMEOUT, "replicas": {"type": "int", "required": True}}, state="scaled", main="replicas"),
    "patch": StepKind({"patch": {"type": "dict", "required": True}}, state="patched", main="patch", whole=True),
    "restart": StepKind(_TIMEOUT, state="restarted"),
    "delete": StepKind(_TIMEOUT, state="absent"),
    "pause": StepKind({"seconds": {"type": "int"}, "prompt": {"type": "str"}}, main="seconds"),
    "request": StepKind(
        {
            "service": {"type": "str", "required": True},
            "namespace": {"type": "str"},
            "port": {"type": "str"},
            "scheme": {"type": "str", "choices": ["http", "https"]},
            "via": {"type": "str", "choices": ["proxy", "address"]},
            "method": {"type": "str"},
            "path": {"type": "str"},
            "headers": {"type": "dict"},
            "body": {"type": "raw"},
            "status": {"type": "list", "elements": "int"},
            "contains": {"type": "str"},
            **_TIMEOUT,
        }
    ),
}


class Plan(t.NamedTuple):
    """What a file asks for. Each step is a dictionary of its C(number), C(step), C(state) and options.

    ``takers`` are the objects that a step is taken with, by its name. ``namespace`` is that of the objects that name
    none, None for that of the context. ``rules`` are C(ready_when) and C(fail_when).
    """

    documents: list[Document]
    steps: list[dict[str, t.Any]]
    takers: dict[str, list[Object]]
    namespace: str | None
    rules: dict[str, t.Any]


def plan_of(text: str, *, origin: str) -> Plan:
    """Return the objects and the steps of a file. :raises InvalidInputError: for all that is wrong with it."""
    instructions: dict[str, t.Any] = {}
    resources: list[t.Any] = []
    for each in load(text, origin=origin):
        if isinstance(each, dict) and "kind" not in each and "apiVersion" not in each:
            instructions |= each
        else:
            resources.append(each)
    problems = [f"{origin}: {_unlike(key, KEYS, 'key')}" for key in instructions if key not in KEYS]
    steps = steps_of(instructions.get("steps") or SEED_STEPS, problems)
    rules = _rules({key: instructions[key] for key in RULES if key in instructions}, problems)
    documents = _collect(
        problems,
        lambda: flatten([*resources, *_listed(instructions.get("resources"))], origin=origin),
        lambda: _clusters(_listed(instructions.get("clusters")), origin=origin),
    )
    if not problems and not documents:
        problems.append(f"{origin} names neither resources nor clusters: what are the steps to be taken with?")
    refuse(problems)
    documents = checked(documents)
    takers = {each["step"]: [doc.obj for doc in documents if takes(doc.obj, each["step"])] for each in steps}
    refuse([f"step {each['number']}, {each['step']}: {_NO_TAKER}" for each in steps if not takers[each["step"]]])
    return Plan(documents, steps, takers, instructions.get("namespace"), rules)


def steps_of(declared: t.Any, problems: list[str]) -> list[dict[str, t.Any]]:
    """Return the steps, each with all its options; what is wrong with any is added to ``problems``."""
    if not isinstance(declared, list | tuple):
        problems.append(f"steps is no list but {type(declared).__name__}")
        return []
    return [step for number, each in enumerate(declared, 1) if (step := _step(each, number, problems))]


def _step(declared: t.Any, number: int, problems: list[str]) -> dict[str, t.Any] | None:
    alone = isinstance(declared, dict) and len(declared) == 1
    name, value = next(iter(declared.items())) if alone else (declared, None)
    if not isinstance(name, str):
        problems.append(f"step {number} is neither a name nor one name with its options: {declared!r}")
        return None
    if name not in STEPS:
        problems.append(f"step {number}: {_unlike(name, STEPS, 'step')}")
        return None
    kind = STEPS[name]
    options = _options(kind, value)
    if options is None:
        problems.append(f"step {number}, {name}: takes no value, but options: {', '.join(sorted(kind.spec))}")
        return None
    told = [_unlike(key, kind.spec, "option") for key in options if key not in kind.spec]
    checked_options = ArgumentSpecValidator(kind.spec).validate({k: v for k, v in options.items() if k in kind.spec})
    told += checked_options.error_messages
    problems += [f"step {number}, {name}: {each}" for each in told]
    given = {key: value for key, value in checked_options.validated_parameters.items() if value is not None}
    return {"number": number, "step": name, "state": kind.state, **given}


def _options(kind: StepKind, value: t.Any) -> dict[str, t.Any] | None:
    """Return the options of a step as a mapping, None if it takes no value like this."""
    if value is None:
        return {}
    if isinstance(value, dict) and not kind.whole:
        return value
    return {kind.main: value} if kind.main else None


def _rules(declared: dict[str, t.Any], problems: list[str]) -> dict[str, t.Any]:
    """Return when custom resources are ready or have failed; what is wrong with it is added to ``problems``."""
    result = ArgumentSpecValidator(copy.deepcopy(RULES)).validate(declared)
    problems += result.error_messages
    rules: dict[str, t.Any] = result.validated_parameters
    if not result.error_messages:
        try:
            expressions.checked(expressions.Expression(**each) for key in RULES for each in rules[key])
        except InvalidInputError as error:
            problems += error.problems
    return rules


def _unlike(name: t.Any, known: t.Iterable[str], what: str) -> str:
    names = sorted(known)
    close = nearest(str(name), names)
    return f"there is no {what} {name!r}" + (f", did you mean {close}?" if close else f": know {', '.join(names)}")


def _listed(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _collect(problems: list[str], *sources: t.Callable[[], list[Document]]) -> list[Document]:
    """Return the documents of all sources; what is wrong with any is added to ``problems``."""
    documents: list[Document] = []
    for source in sources:
        try:
            documents += source()
        except InvalidInputError as error:
            problems += error.problems
    return documents


def _clusters(declared: list[t.Any], *, origin: str) -> list[Document]:
    """Return the Deployments of clusters that are described as for M(slipway.cloud.cluster)."""
    problems, items = [], []
    for number, each in enumerate(declared, 1):
        spec = copy.deepcopy({**CLUSTER, "name": {"type": "str", "required": True}})  # the validator fills defaults in
        known = {key: value for key, value in each.items() if key in spec} if isinstance(each, dict) else {}
        result = ArgumentSpecValidator(spec).validate(known)
        told = [_unlike(key, spec, "option") for key in each if key not in spec] if isinstance(each, dict) else []
        problems += [f"{origin}: cluster {number}: {line}" for line in [*told, *result.error_messages]]
        items.append(result.validated_parameters)
    refuse(problems)
    objects = objects_of(items, state="present", namespace="default")
    for obj, item in zip(objects, items, strict=True):
        if not item["namespace"]:
            del obj["metadata"]["namespace"]
    return [Document(obj, f"{origin}, cluster {number}") for number, obj in enumerate(objects, 1)]
