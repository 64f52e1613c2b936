"""Reads a ``.env`` file by python-dotenv, which is installed with the extra ``dotenv``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .errors import InvalidSetting


def read(file: str) -> dict[str, str]:
    """The variables of a file.

    :param file: its path.
    :raises InvalidSetting: it cannot be read, or python-dotenv is missing.
    """
    path = Path(file).expanduser()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidSetting(f"MLSDK_DOTENV: cannot read {file}: {why}") from None


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> dict[str, str]:
    try:
        from dotenv import dotenv_values  # noqa: PLC0415
    except ImportError:
        raise InvalidSetting("MLSDK_DOTENV needs python-dotenv: install 'mindlytics[dotenv]'") from None
    with path.open(encoding="utf-8") as stream:
        return {name: value for name, value in dotenv_values(stream=stream).items() if value is not None}
