"""How much of a reply's body is read, and how it is unpacked: never more than was agreed, whatever comes.

A request asks for ``identity``. A service that compresses all the same is read where that is safe: gzip and deflate,
step by step. Any other coding is not, since the libraries for it may unpack kilobytes to gigabytes in one step.
"""

from __future__ import annotations

import zlib

SHORT = 1024 * 1024
"""Bytes of a reply that are read where only its status and a few words matter."""

LONG = 64 * 1024 * 1024
"""Bytes of a reply that are read where its body is what was asked for."""

IDENTITY = {"Accept-Encoding": "identity"}

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def too_long(limit: int) -> str:
    """The problem of a body of more than ``limit`` bytes."""
    return f"the reply is longer than {limit} bytes"


def unpack(body: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """A whole body as it was before it was compressed, of ``limit`` bytes at most; and what is the matter with it.

    :param coding: the header ``Content-Encoding``.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity") or not body:
        return body, ""
    if coding not in _WINDOWS:
        return b"", f"the reply is encoded as {coding[:40]}, which was not asked for"
    for window in (_WINDOWS[coding], -15):  # some send deflate without its head
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
