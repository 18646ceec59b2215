# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the schemas of Kubernetes' own kinds say of a document, before a server is asked.

C(kubernetes-validate) brings the schemas; it is imported here alone, and only where it is needed.
"""

from __future__ import annotations

import typing as t

from ..module_utils.engine.errors import ConfigurationError, nearest
from ..module_utils.engine.resources import BUILT_IN_GROUPS

if t.TYPE_CHECKING:
    from ..module_utils.engine.resources import Object


def schema_problems(obj: Object) -> list[str]:
    """Return what is wrong with an object of a kind that has a schema; of others nothing is known.

    :raises ConfigurationError: without the package.
    """
    try:
        from kubernetes_validate import utils as schemas
    except ImportError as error:
        raise ConfigurationError(f"{error}: install kubernetes-validate, or do without it: validate=false.") from error
    if obj["apiVersion"].rpartition("/")[0] not in BUILT_IN_GROUPS:
        return []
    try:
        schemas.validate(obj, schemas.latest_version(), strict=True)
    except schemas.SchemaNotFoundError:
        return []
    except schemas.ValidationError as error:
        return [explained(error, secret=obj["kind"] == "Secret")]
    return []


def explained(error: t.Any, *, secret: bool = False) -> str:
    """Return a jsonschema.ValidationError as where, what and what to do; of a ``secret`` without its value."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator != "additionalProperties":
        said = f"it is not of {error.validator} {error.validator_value!r}" if secret else error.message
        return ": ".join(filter(None, (where, said)))
    known = error.schema["properties"]
    told = [_unknown(name, known) for name in error.instance if name not in known]
    return f"{where or 'the top level'}: {'; '.join(told)}"


def _unknown(name: str, known: t.Iterable[str]) -> str:
    close = nearest(name, known)
    return f"there is no field {name}" + (f", did you mean {close}?" if close else "")
