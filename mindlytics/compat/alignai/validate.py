"""The error of a wrong argument."""

from __future__ import annotations

from ...errors import ValidationError

__all__ = ["ValidationError"]
