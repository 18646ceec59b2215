"""Declared labels of nodes: set, kept, and removed when they are no longer declared."""

from __future__ import annotations
