"""How API keys are stored: as salted hashes. ``http.py`` and ``keys.py`` decide who may use which key.

Issued keys are random, so a fast keyed hash is as safe as a slow one. Each database file has its own salt, so a key has
another hash in another file.
"""

from __future__ import annotations

import os
from hashlib import blake2b

SALT_BYTES = 32
HASH_BYTES = 16

ID_DIGITS = 12
"""Hexadecimal digits of a hash that identify a key in lists."""

LONG_ENOUGH = 24
"""Fewest characters of a key whose ends may be shown. A shorter one could be guessed from them."""


HIDDEN = "…"
"""Shown instead of a key that is short or was not issued here."""


def new_salt() -> bytes:
    """Make a salt for a new file."""
    return os.urandom(SALT_BYTES)


def hashed(key: str, salt: bytes) -> str:
    """The hash of a key."""
    return blake2b(key.encode("utf-8", "surrogateescape"), key=salt, digest_size=HASH_BYTES).hexdigest()


def shown(key: str) -> str:
    """The part of a key that a list shows, so that its holders recognise it."""
    return f"{key[:4]}…{key[-4:]}" if len(key) >= LONG_ENOUGH else HIDDEN
