"""``timeout``: a limit in seconds for awaiting, on every version of Python.

``asyncio.wait_for`` before Python 3.12 may lose a cancellation, or a result that came just then.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

__all__ = ["timeout"]
