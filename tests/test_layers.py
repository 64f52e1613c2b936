"""Which layer may import which: the core knows no sockets, threads or clocks, and events know nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mindlytics"

DRIVERS = {"requests", "urllib3", "aiohttp", "asyncio", "threading", "queue", "socket", "time", "ssl"}
FORBIDDEN = {
    "delivery": DRIVERS
    | {
        "mindlytics.wire",
        "mindlytics.pipeline",
        "mindlytics.transport",
        "mindlytics.session",
        "mindlytics.session_state",
    },
    "wire.py": DRIVERS
    | {
        "mindlytics.pipeline",
        "mindlytics.transport",
        "mindlytics.session",
        "mindlytics.session_state",
        "mindlytics.settings",
        "mindlytics.setting_rules",
    },
    "arguments.py": DRIVERS | {"mindlytics.delivery", "mindlytics.pipeline", "mindlytics.events", "cattrs", "orjson"},
    "validators.py": DRIVERS | {"mindlytics.delivery", "mindlytics.pipeline", "mindlytics.events", "cattrs", "orjson"},
    "usage.py": DRIVERS | {"mindlytics.delivery", "mindlytics.pipeline", "mindlytics.events", "cattrs", "orjson"},
    "events.py": DRIVERS | {"mindlytics.delivery", "mindlytics.wire", "mindlytics.pipeline", "cattrs", "orjson"},
    "cleaning": DRIVERS
    | {"mindlytics.delivery", "mindlytics.pipeline", "mindlytics.events", "numpy", "pandas", "bson"},
    "values.py": DRIVERS
    | {"mindlytics.delivery", "mindlytics.wire", "mindlytics.pipeline", "mindlytics.events", "cattrs"},
    "session.py": DRIVERS
    | {"mindlytics.base", "mindlytics.wire", "mindlytics.pipeline", "mindlytics.transport", "cattrs", "orjson"},
    "session_state.py": DRIVERS
    | {"mindlytics.base", "mindlytics.wire", "mindlytics.pipeline", "mindlytics.transport", "cattrs", "orjson"},
    "transport": {
        "mindlytics.delivery",
        "mindlytics.wire",
        "mindlytics.pipeline",
        "mindlytics.session",
        "mindlytics.session_state",
        "threading",
    },
    "live": {
        "requests",
        "aiohttp",
        "mindlytics.session",
        "mindlytics.session_state",
        "mindlytics.client",
        "mindlytics.aio",
        "mindlytics.server",
    },
    "live/subscription.py": DRIVERS | {"mindlytics.wire", "mindlytics.pipeline", "mindlytics.transport"},
    "pipeline": {
        "mindlytics.wire",
        "mindlytics.session",
        "mindlytics.session_state",
        "mindlytics.client",
        "mindlytics.aio",
        "mindlytics.server",
        "mindlytics.live",
    },
    "spool": {
        "requests",
        "aiohttp",
        "asyncio",
        "socket",
        "orjson",
        "mindlytics.delivery",
        "mindlytics.wire",
        "mindlytics.pipeline",
        "mindlytics.settings",
        "mindlytics.setting_rules",
    },
    "spool/format.py": DRIVERS | {"os", "pathlib"},
    "integrations/calls.py": {"mindlytics.integrations.recording"},
    "antonnia": {
        "requests",
        "aiohttp",
        "mindlytics.client",
        "mindlytics.aio",
        "mindlytics.pipeline",
        "mindlytics.server",
    },
    "antonnia/calls.py": DRIVERS | {"mindlytics.transport", "tenacity"},
    "antonnia/sessions.py": DRIVERS | {"mindlytics.transport", "tenacity"},
    "antonnia/messages.py": DRIVERS | {"mindlytics.transport", "tenacity"},
    "antonnia/agents.py": DRIVERS | {"mindlytics.transport", "tenacity"},
    "antonnia/types.py": DRIVERS | {"mindlytics.transport", "cattrs", "orjson"},
    "server": {
        "mindlytics.pipeline",
        "mindlytics.client",
        "mindlytics.aio",
        "mindlytics.session",
        "mindlytics.session_state",
        "requests",
    },
}


def imported(path: Path) -> set[str]:
    """The absolute names of the modules that a file imports, wherever in it."""
    package = ("mindlytics", *path.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("place", FORBIDDEN)
def test_the_layers_are_apart(place: str) -> None:
    files = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).rglob("*.py"))
    assert files
    for file in files:
        for name in imported(file):
            wrong = [bad for bad in FORBIDDEN[place] if name == bad or name.startswith(f"{bad}.")]
            assert not wrong, f"{file.relative_to(PACKAGE)} imports {name}"


def test_only_the_settings_read_the_environment() -> None:
    for file in PACKAGE.rglob("*.py"):
        if file.name not in ("settings.py", "keyoptions.py", "recorded.py") and "server" not in file.parts:
            assert "environ" not in file.read_text("utf-8").replace("the environment", "").replace("environment", ""), (
                file
            )


def test_only_the_asyncio_face_knows_aiohttp_and_only_the_blocking_one_requests() -> None:
    at_home = {
        "aiohttp": {"transport/asyncio.py", "transport/names.py", "transport/websocket.py"},
        "requests": {"transport/blocking.py", "transport/connection.py"},
        "urllib3": {"transport/connection.py"},
    }
    for file in PACKAGE.rglob("*.py"):
        place = str(file.relative_to(PACKAGE))
        if place.startswith("server"):
            continue
        for library, home in at_home.items():
            names = {name.partition(".")[0] for name in imported(file)}
            assert library not in names or place in home, place
