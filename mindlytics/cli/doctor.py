"""``mindlytics doctor``: checks settings, the connection, the key and the clock, and shows what a bug report needs.

It shows no secret. It runs in production, without the extra ``local``, so it works without click.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from .. import __version__
from .checks import Finding, configured_services, examine
from .terminal import Parser, printable

PACKAGES = ("aiohttp", "attrs", "cattrs", "orjson", "requests", "tenacity", "urllib3", "protobuf", "gevent", "eventlet")
MARKS = {True: "ok", False: "FAIL", None: "-"}


def parser() -> Parser:
    """The options."""
    whole = Parser(prog="mindlytics doctor", description="Check settings, the connection, the key and the clock.")
    whole.add_argument("--all", action="store_true", help="Show settings with their default values too.")
    return whole


def run(arguments: Sequence[str]) -> int:
    """Run all checks. Returns 1 if one of them failed."""
    is_all = parser().parse_args(arguments).all
    _write(f"mindlytics {__version__}, Python {platform.python_version()}, {platform.platform()}")
    _write(", ".join(_versions()))
    failures = 0
    for settings_type in configured_services():
        _write(f"\n{settings_type.service}")
        for finding in examine(settings_type, is_all=is_all):
            failures += finding.is_fine is False
            _write(_line(finding))
    return 1 if failures else 0


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            continue


def _line(finding: Finding) -> str:
    return f"  {MARKS[finding.is_fine]:<4} {finding.topic:<16} {finding.words}"


def _write(line: str) -> None:
    sys.stdout.write("\n".join(map(printable, line.split("\n"))) + "\n")
