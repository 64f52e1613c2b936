"""How much of a reply's body is read, and how it is decompressed within that limit.

A request asks for ``identity``. If the service compresses anyway, gzip and deflate are decompressed step by step. Other
codings are rejected, since their libraries may turn kilobytes into gigabytes in one step.
"""

from __future__ import annotations

import zlib

SHORT = 1024 * 1024
"""Most bytes to read of a reply if only its status and message matter."""

LONG = 64 * 1024 * 1024
"""Most bytes to read of a reply if its body is the answer."""

IDENTITY = {"Accept-Encoding": "identity"}

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def too_long(limit: int) -> str:
    """The problem of a body of more than ``limit`` bytes."""
    return f"the reply is longer than {limit} bytes"


def unpack(body: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """Decompress a whole body, to ``limit`` bytes at most. Returns the body and what is wrong with it.

    :param coding: the header ``Content-Encoding``.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity") or not body:
        return body, ""
    if coding not in _WINDOWS:
        return b"", f"the reply is encoded as {coding[:40]}, which was not asked for"
    for window in (_WINDOWS[coding], -15):  # some services send deflate without its header
        unpacker = zlib.decompressobj(window)
        try:
            whole = unpacker.decompress(body, limit + 1)
        except zlib.error:
            if coding == "deflate":
                continue
            break
        if len(whole) > limit:
            return whole[:limit], too_long(limit)
        return whole, "" if unpacker.eof else "the reply broke off"
    return b"", f"the reply is not encoded as it says ({coding})"
