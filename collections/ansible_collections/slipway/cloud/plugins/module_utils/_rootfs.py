# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a root file system is made from: apt sources of the distribution, packages, and the command that makes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

# Only these are the distribution's own; "bookworm main" of a vendor's repository is told apart by its keyring.
_COMPONENTS = {"main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"}
_KEYRINGS = re.compile(r"/usr/share/keyrings/(debian|ubuntu)-archive-keyring\.(gpg|pgp)")
_POCKETS = ("", "-updates", "-security")

# Settings of the host's apt that decide how packages are fetched (proxies, certificates), not what is installed.
_TRANSPORT = re.compile(r"Acquire::(http|https|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until)\b")

_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>[^#]*)")


@dataclasses.dataclass(frozen=True)
class Source:
    """One apt repository: a URI, a suite and its components."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def line(self) -> str:
        """The source in the one-line style of sources.list(5)."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(self.components)}"

    def belongs_to(self, suite: str) -> bool:
        """Whether this is the distribution's own repository of a suite, its updates or its security fixes."""
        return (
            self.suite in {suite + pocket for pocket in _POCKETS}
            and bool(self.components)
            and set(self.components) <= _COMPONENTS
            and (not self.signed_by or bool(_KEYRINGS.fullmatch(self.signed_by)))
        )


def parse_one_line(text: str) -> list[Source]:
    """Return the binary sources of a file in the one-line style of sources.list(5)."""
    sources = []
    for match in filter(None, map(_ONE_LINE.match, map(str.strip, text.splitlines()))):
        options = dict(option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
        components = tuple(match["components"].split())
        sources.append(Source(match["uri"], match["suite"], components, options.get("signed-by", "")))
    return sources


def _fields(paragraph: str) -> dict[str, str]:
    lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
    unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
    pairs = (line.partition(":") for line in unfolded.splitlines())
    return {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def parse_deb822(text: str) -> list[Source]:
    """Return the enabled binary sources of a file in the deb822 style of sources.list(5)."""
    sources = []
    for fields in map(_fields, re.split(r"\n[ \t]*\n", text)):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        components = tuple(fields.get("components", "").split())
        sources += [
            Source(uri, suite, components, fields.get("signed-by", ""))
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return sources


def transport_options(apt_config: str) -> list[str]:
    """Return the lines of C(apt-config dump) that say how packages are fetched."""
    return [line for line in apt_config.splitlines() if _TRANSPORT.match(line) and not line.endswith(' "";')]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the content of a root file system."""

    suite: str
    sources: tuple[str, ...]
    packages: tuple[str, ...]
    variant: str
    format: str
    path_exclude: tuple[str, ...]
    epoch: int

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that change with any input."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def command(self, mmdebstrap: str, target: str, transport: t.Iterable[str]) -> list[str]:
        """Return the command that makes the root file system at ``target``."""
        return [
            mmdebstrap,
            "--quiet",
            f"--variant={self.variant}",
            f"--format={self.format}",
            *([f"--include={','.join(self.packages)}"] if self.packages else []),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in self.path_exclude),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *(f"--aptopt={line}" for line in transport),
            '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"',
            self.suite,
            target,
            *self.sources,
        ]
