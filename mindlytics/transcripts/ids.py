"""Ids: those that a file leaves out are derived, and any other one is made to fit."""

from __future__ import annotations

import uuid
from hashlib import sha1

from ..validators import MAX_NAME
from ..values import uuid_of, valid_text

NAMESPACE = uuid.UUID("6f0b54ad-7b33-5d0c-9e3c-2a8c1f1f6f5e")
"""Where ids are derived that a file leaves out, so that the same conversation always gets the same ones."""


def derived(what: str, source: str) -> str:
    """An id that is the same whenever it is made of the same source: a uuid5."""
    drawn = sha1(NAMESPACE.bytes + f"{what} {source}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return uuid_of(drawn, 5)


def fitting(id: str | None) -> str | None:
    """An id that the service takes. A long one keeps its beginning, and lone surrogates are replaced."""
    if not id:
        return None
    if len(id) > MAX_NAME:
        id = f"{id[: MAX_NAME - 37]}-{derived('long', id)}"
    return valid_text(id)
