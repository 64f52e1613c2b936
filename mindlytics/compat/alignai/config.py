"""How a client delivers."""

from __future__ import annotations

from ... import align
from ..settable import Settable

__all__ = ["Config"]


class Config(Settable, align.Config):
    """A :class:`mindlytics.align.Config` whose fields you may assign until you make a client with it."""
