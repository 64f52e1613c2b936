"""How API keys are kept: as salted hashes. Who may use which key is decided in ``http.py`` and ``keys.py``.

Issued keys are random, so a quick keyed hash is as good as a slow one. The salt is the database file's own: the same
key has another hash in another file.
"""

from __future__ import annotations

import os
from hashlib import blake2b

SALT_BYTES = 32
HASH_BYTES = 16

ID_DIGITS = 12
"""Hexadecimal digits of a hash by which a key is named where keys are listed."""

LONG_ENOUGH = 24
"""Characters of a key from which on its ends may be shown: a shorter one could be guessed from them."""


HIDDEN = "…"
"""What is shown of a key that is short, or was not issued here."""


def new_salt() -> bytes:
    """A salt for a new file."""
    return os.urandom(SALT_BYTES)


def hashed(key: str, salt: bytes) -> str:
    """What is kept of a key."""
    return blake2b(key.encode("utf-8", "surrogateescape"), key=salt, digest_size=HASH_BYTES).hexdigest()


def shown(key: str) -> str:
    """What a list shows of a key, for people who hold it to recognise it."""
    return f"{key[:4]}…{key[-4:]}" if len(key) >= LONG_ENOUGH else HIDDEN
