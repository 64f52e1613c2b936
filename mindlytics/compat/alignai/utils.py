"""The type of custom properties."""

from __future__ import annotations

CustomProperties = dict[str, str]
"""Texts by name."""
