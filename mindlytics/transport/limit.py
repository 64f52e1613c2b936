"""``timeout``: a limit of seconds for what is awaited, alike on every Python. What it limits is in other files.

``asyncio.wait_for`` is no substitute before Python 3.12: it may lose a cancellation, or what came just then.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

__all__ = ["timeout"]
