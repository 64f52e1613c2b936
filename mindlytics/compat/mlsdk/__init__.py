"""The names of ``mlsdk``, the package ``mlsdk-python``: ``from mindlytics.compat.mlsdk import Client``.

This is the asyncio face with the behaviour of that client that programs rely on. Everything else is as in
:class:`~mindlytics.AsyncClient`. The documentation's page on migrating lists the remaining differences. The modules
``client``, ``session``, ``httpclient``, ``types`` and ``helpers`` have the names of that package's.
"""

from __future__ import annotations

from ...errors import MLHTTPError
from .client import Client
from .httpclient import HTTPClient
from .session import Session
from .types import APIResponse, Cost, MLEvent, TokenBasedCost

__all__ = ["APIResponse", "Client", "Cost", "HTTPClient", "MLEvent", "MLHTTPError", "Session", "TokenBasedCost"]
