"""Tells PyInstaller what to put beside the code, so that a frozen program finds it. Nothing here runs elsewhere."""

from __future__ import annotations

from pathlib import Path


def hook_folders() -> list[str]:
    """The folder of the hooks, which PyInstaller asks for through the entry point ``pyinstaller40``."""
    return [str(Path(__file__).parent)]
