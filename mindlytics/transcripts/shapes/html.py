"""Text of HTML, as help desks write it."""

from __future__ import annotations

import re
from html import unescape

_BREAK = re.compile(r"</p>\s*<p[^>]*>|<br\s*/?>|</div>\s*<div[^>]*>|</li>\s*<li[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def text_of(html: str) -> str:
    """Its text: a newline for each break, no marks."""
    return unescape(_TAG.sub("", _BREAK.sub("\n", html))).strip()
