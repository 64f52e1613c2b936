"""What a frozen program needs that has the command line: its commands, which are imported by name."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("mindlytics.cli")
