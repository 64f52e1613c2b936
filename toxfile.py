"""Lets tox find the interpreters that pyenv keeps, whether or not they are on the PATH."""

from __future__ import annotations

import os
from pathlib import Path

root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # no home is no error there
kept = [str(folder) for folder in sorted(root.glob("versions/3.*/bin"))]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *kept])
