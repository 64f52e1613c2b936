"""Makes HTML of what was read: the templates, how numbers and times are written, and the headers of every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import orjson
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..schema import as_datetime, iso, microseconds
from .conversation import SHOWN

HERE = Path(__file__).parent

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send forms with the origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
"""The headers of every page: nothing is loaded from elsewhere, nothing runs that is in a text, nothing is kept."""

ASSETS: Mapping[str, str] = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""The kinds of files that pages load, with their media types."""


def time(stored: int) -> Markup:
    """A time, in UTC. The browser writes it in the reader's own zone."""
    text = as_datetime(stored).strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}">{} UTC</time>').format(iso(stored), text)


def iso_time(timestamp: str) -> Markup:
    """The same for a time as rows have it."""
    return time(microseconds(timestamp))


def duration(seconds: float | None) -> str:
    """A time span: ``1.5 s``, ``3:20``, ``1:04:00``."""
    if seconds is None:
        return "open"
    if seconds < 60:
        return f"{seconds:.1f} s"
    text = str(timedelta(seconds=round(seconds)))
    return text[2:].lstrip("0") if text.startswith("0:") else text


def milliseconds(value: object) -> str:
    """A number of milliseconds: ``41 ms``, ``1.5 s``."""
    if not isinstance(value, (int, float)):
        return ""
    return f"{value:,.0f} ms" if value < 1000 else duration(value / 1000)


def money(value: object) -> str:
    """An amount in US dollars, with the digits that tell it from nothing."""
    if not isinstance(value, (int, float)):
        return ""
    if 0 < value < 0.0001:
        return "<$0.0001"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def count(value: object) -> str:
    """A whole number."""
    return f"{value:,.0f}" if isinstance(value, (int, float)) else ""


FORMATS = {"count": count, "money": money, "milliseconds": milliseconds}


def write(format: str, value: object) -> str:
    """A number in one of the formats."""
    return FORMATS[format](value)


def text(value: object) -> str:
    """A value of a property as text."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def code(value: object) -> str:
    """Arguments or a result: indented if it is JSON."""
    said = text(value)
    if len(said) > SHOWN:
        return said
    try:
        return orjson.dumps(orjson.loads(said), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return said


def marked(snippet: str, matches: Sequence[tuple[int, int]]) -> Markup:
    """A part of a text, with the words marked that were searched for."""
    shown, end = Markup(), 0
    for begin, after in sorted(matches):
        if begin >= end:
            shown += escape(snippet[end:begin]) + Markup("<mark>{}</mark>").format(snippet[begin:after])
            end = after
    return shown + escape(snippet[end:])


def segment(name: str) -> str:
    """A name as one part of a path. Browsers resolve ``.`` and ``..`` even if they are escaped, so a mark precedes
    them.
    """
    return quote(name if name.strip(".") and name[0] != _MARK else _MARK + name, safe="")


def unsegment(part: str) -> str:
    """The name in a part of a path."""
    return part.removeprefix(_MARK)


_MARK = "~"


@cache
def assets() -> Mapping[str, tuple[bytes, str]]:
    """The files that pages load, by name, with their media types."""
    folder = HERE / "assets"
    return {path.name: (path.read_bytes(), ASSETS[path.suffix]) for path in folder.iterdir() if path.suffix in ASSETS}


@cache
def version() -> str:
    """A part of the addresses of these files that changes with them."""
    whole = b"".join(content for _, (content, _) in sorted(assets().items()))
    return blake2b(whole, digest_size=6).hexdigest()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        marked=marked,
        iso_time=iso_time,
        time=time,
        duration=duration,
        milliseconds=milliseconds,
        money=money,
        count=count,
        words=text,
        code=code,
        segment=segment,
    )
    made.globals.update(SHOWN=SHOWN, write=write, version=version())
    return made


def render(template: str, **values: object) -> str:
    """The HTML of a page."""
    return _environment().get_template(template).render(**values)


def page(html: str, status: int = 200) -> web.Response:
    """An answer with a page."""
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)
