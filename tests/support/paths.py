"""Where the tests find the checkout, its caches and its programs."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COLLECTIONS = CHECKOUT / "collections"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
VENV_BIN = CHECKOUT / ".venv" / "bin"
BUNDLE_BIN = CACHE / "bundle" / "bin"
BUNDLE_MANIFESTS = CACHE / "bundle" / "manifests"
RESULTS = CHECKOUT / "docs" / "results"
