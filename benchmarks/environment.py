"""The environment that the SDKs are installed in, and what the run was made with: machine, Python, versions."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .process import ROOT, clean_environment
from .sdks import SDKS

CACHE = ROOT / ".benchmarks"
REQUIREMENTS = (
    "mlsdk-python",
    "alignai",
    "posthog",
    "segment-analytics-python",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
    "ddtrace",
    "langsmith",
    "confluent-kafka",
    "flask",
)
SHOWN = (*REQUIREMENTS, "aiohttp", "requests", "urllib3", "orjson", "attrs", "cattrs", "protobuf", "pydantic")
"""Packages whose versions matter to the figures."""


def prepare(name: str = "", requirements: Sequence[str] = REQUIREMENTS) -> str:
    """The Python of an environment with this checkout and the SDKs; made once, and again when the list changes.

    An SDK that cannot be installed is not in it.

    :param name: of the environment, if it is another than that of the SDKs.
    :raises subprocess.CalledProcessError: the checkout could not be installed.
    """
    home = CACHE / f"{name}python{sys.version_info.major}.{sys.version_info.minor}"
    python = str(home / "bin" / "python")
    wanted = hashlib.sha256("\n".join([*requirements, (ROOT / "setup.cfg").read_text()]).encode()).hexdigest()
    stamp = home / "made-of"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    venv.create(home, with_pip=True, clear=True)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*install, "-e", str(ROOT)], check=True)
    if subprocess.run([*install, *requirements], check=False).returncode:
        for requirement in requirements:
            subprocess.run([*install, requirement], check=False)
    stamp.write_text(wanted)
    return python


def left_out(names: Iterable[str], found: Container[str]) -> list[str]:
    """The SDKs that could not be installed.

    :param found: the packages that are.
    """
    return [name for name in names if SDKS[name].package in REQUIREMENTS and SDKS[name].package not in found]


def versions(python: str, shown: Sequence[str] = SHOWN) -> dict[str, str]:
    """What is installed there, of the packages that matter."""
    ask = (
        "import importlib.metadata as m, json, sys\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError:\n"
        "        pass\n"
        "print(json.dumps(found))"
    )
    said = subprocess.run(
        [python, "-c", ask, *shown], check=True, capture_output=True, text=True, env=clean_environment()
    )
    found: dict[str, str] = json.loads(said.stdout)
    return found


def machine() -> dict[str, Any]:
    """Where and when the run was made, and of which commit."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def described(here: Mapping[str, Any]) -> str:
    """The machine in one line."""
    return (
        f"{here['processor']}, {here['cores']} cores, Python {here['python']}, commit {here['commit']},"
        f" load {here['load_before']}\n"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """The checkout's commit, and whether the package was changed since."""

    def git(*arguments: str) -> str:
        said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return said.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "mindlytics")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
