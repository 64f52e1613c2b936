"""Forks: what they wait for, and how a child starts anew."""

from __future__ import annotations

import logging  # noqa: F401  its hook must be there before ours: a fork takes the locks in the opposite order
import os
import sys
import threading

from . import sharing, shutdown

importing = threading.RLock()  # re-entrant: a finalizer may import during an import
"""Held while a thread of ours imports. A fork waits for it, since a child could never finish a half-made import."""

listening = threading.RLock()
"""Guards the set of those who listen to live events."""


def _before_fork() -> None:
    importing.acquire()


def _after_fork_in_parent() -> None:
    importing.release()


def forks_without_hooks() -> bool:
    """Whether a server written in C may fork this process at any time. Then threads must finish their imports early."""
    return "uwsgi" in sys.modules


def begin_in_child() -> None:
    """Start anew in a forked child, with fresh locks, since a thread of the parent may have held the old ones."""
    global importing, listening  # noqa: PLW0603
    importing = threading.RLock()
    listening = threading.RLock()
    sharing.begin_in_child()
    shutdown.begin_in_child()
    for pipeline in list(shutdown.pipelines):  # also those that another thread was just closing
        pipeline.renew()
    transport = sys.modules.get("mindlytics.transport.blocking")
    if transport is not None:  # its own hook runs only on forks made by Python
        transport.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=begin_in_child)
