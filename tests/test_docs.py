"""The documentation against the code: nothing is left out of it, its programs run, its links lead somewhere."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

import mindlytics
from mindlytics.delivery.account import Reason
from mindlytics.server.run import LocalServer
from mindlytics.settings import Settings
from mindlytics.transcripts.detecting import SHAPES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NEED_LIBRARIES = {path for path in (ROOT / "docs" / "integrations").glob("*.md") if path.stem != "index"}
"""Their programs run in the tests of the integrations."""
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")
SELF_CONTAINED = re.compile(r"(import|from) ")
LIBRARIES = re.compile(r"^from (openai|langchain_openai) ")
"""Programs that need a library run in the tests of the integrations."""


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def conf() -> Iterator[dict[str, Any]]:
    """What ``docs/conf.py`` defines."""
    path = sys.path[:]
    yield runpy.run_path(str(ROOT / "docs" / "conf.py"))
    sys.path[:] = path


def rows(table: str) -> dict[str, list[str]]:
    """The rows of a Markdown table below its head, by the code in their first cell."""
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
    return {first.strip(" `"): [cell.strip() for cell in rest] for first, *rest in cells}


@pytest.mark.parametrize("name", ["table of settings", "table of reasons", "tree of errors"])
def test_what_is_made_from_the_code_is_up_to_date(conf: dict[str, Any], name: str) -> None:
    place, make = conf["MADE"][name]
    assert f"<!-- {name} -->\n\n{make()}\n\n<!-- end of the {name} -->\n" in page(place), "run python docs/conf.py"


def test_every_setting_is_documented(conf: dict[str, Any]) -> None:
    table = rows(conf["table_of_settings"]())
    assert [attribute.name for attribute in fields(Settings)] == list(table)
    assert all(meaning.endswith(".") for *_, meaning in table.values())
    assert ["`MLSDK_FLUSH_INTERVAL`", "`float`", "`0.5`"] == table["flush_interval"][:3]
    assert ["", r"`Callable[[DeliveryError], object] \| None`", "`None`"] == table["on_error"][:3]


def test_the_files_that_the_architecture_names_are_there() -> None:
    text = re.sub(r"## What was called otherwise\n.*?\n## ", "## ", page("architecture"), flags=re.DOTALL)
    picture = (ROOT / "docs" / "way.svg").read_text("utf-8")
    named = {name for code in re.findall(r"`([^`\n]+)`", text) for name in re.findall(r"^[\w/]+\.py$", code)}
    named |= set(re.findall(r"[\w/]+\.py", picture))
    files = [path.as_posix() for folder in ("mindlytics", "docs") for path in (ROOT / folder).rglob("*.py")]
    assert len(named) > 50
    assert [] == sorted(name for name in named if not any(file.endswith(f"/{name}") for file in files))


def test_every_reason_for_a_drop_is_documented(conf: dict[str, Any]) -> None:
    table = rows(conf["table_of_reasons"]())
    assert [reason.value for reason in Reason] == list(table)
    assert all(meaning.endswith(".") and len(meaning) > 20 for meaning, _ in table.values())
    assert ["The event came after `close()`.", "yes"] == table["closed"]
    assert "no" == table["disabled"][1]


def test_every_error_is_in_the_tree(conf: dict[str, Any]) -> None:
    tree = conf["tree_of_errors"]()
    kinds = [getattr(mindlytics, name) for name in mindlytics.__all__]
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, mindlytics.MindlyticsError)]
    assert [] == [kind for kind in errors if kind.__name__ not in tree]


def test_every_public_name_is_documented() -> None:
    documented = {
        name
        for text in map(page, ("clients", "events", "errors", "exporting", "integrations/index"))
        for name in re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)$", text, re.MULTILINE)
    }
    assert set(mindlytics.__all__) <= documented


def test_every_call_of_a_session_is_documented() -> None:
    calls = {
        name for name in vars(mindlytics.Session.__base__) if name.startswith(("track_", "start_", "end_", "user_"))
    }
    assert calls == {name for name in re.findall(r"^\| `(\w+)` \|", page("events"), re.MULTILINE) if "_" in name}


def programs() -> Iterator[Any]:
    for path in sorted({*PAGES} - NEED_LIBRARIES):
        for match in BLOCK.finditer(path.read_text(encoding="utf-8")):
            line = path.read_text(encoding="utf-8")[: match.start()].count("\n") + 2
            yield pytest.param(match[1], id=f"{path.relative_to(ROOT)}:{line}")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.mark.parametrize("program", [*programs()])
def test_python_in_the_pages_runs(program: str, server: LocalServer, tmp_path: Path) -> None:
    compile(program, "<page>", "exec")
    if not SELF_CONTAINED.match(program) or LIBRARIES.match(program):
        return
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={
            **os.environ,
            "MLSDK_SERVER_BASE": server.url,
            "MLSDK_API_KEY": "any",
            "MLSDK_PROJECT_ID": "docs",
            "ALIGNAI_HOST": server.url,
            "ALIGNAI_API_KEY": "any",
            "ALIGNAI_PROJECT_ID": "docs",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = LINK.findall(path.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (path.parent / link).exists()]


def test_every_page_is_in_the_contents() -> None:
    contents = re.findall(r"^([\w/]+)$", page("index"), re.MULTILINE)
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"} | {"integrations/index"}
    assert sorted(pages) == sorted(contents)
    assert ":glob:\n\n*\n" in page("integrations/index")


def test_every_command_is_documented() -> None:
    from mindlytics.cli import main

    assert [] == [name for name in main.commands if f"mindlytics {name}" not in page("cli")]


def test_the_number_of_formats_is_that_of_the_code() -> None:
    counts = {count for path in PAGES for count in re.findall(r"\b(\d+) formats", path.read_text("utf-8"))}
    assert {str(len(SHAPES))} == counts


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = re.findall(r"```console\n(.*)\n```", readme)
    assert ["pip install '.[local]' && mindlytics demo", "pip install tox && tox"] == commands
    assert [] == [command for command in commands if f'echo "== {command}"' not in script]


def public_modules() -> set[str]:
    section = page("architecture").partition("## Public modules\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`(.+?)`", row)}


def test_the_public_modules_are_listed() -> None:
    from .test_public import HOMES

    assert [] == sorted(set(HOMES) - public_modules())
    assert [] == [name for name in public_modules() if find_spec(name) is None]


def test_pages_and_examples_import_from_public_modules_only() -> None:
    texts = [path.read_text("utf-8") for path in [*PAGES, *(ROOT / "examples").rglob("*.py")]]
    imported = {
        name for text in texts for name in re.findall(r"^ *(?:from|import) (mindlytics[\w.]*)", text, re.MULTILINE)
    }
    listed = public_modules()
    of_parts = ("mindlytics.integrations.", "mindlytics.compat.mlsdk.helpers.")
    assert len(imported) > 10
    assert [] == sorted(name for name in imported if name not in listed and not name.startswith(of_parts))
