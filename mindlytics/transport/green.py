"""Names of hosts under gevent, which looks them up on threads of its own. A program that ends cannot start those."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def look_up_here() -> bool:
    """Let gevent look names up on the calling thread from now on. Returns whether this changed anything."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is None or not gevent.is_module_patched("socket"):
        return False
    hub: Any = import_module("gevent").get_hub()
    if type(hub.resolver).__module__ != "gevent.resolver.thread":
        return False
    hub.resolver = import_module("gevent.resolver.blocking").Resolver(hub)
    return True
