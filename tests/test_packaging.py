"""What is installed: the metadata, the files, and what they import."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import mindlytics

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mindlytics"
INTERPRETERS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def read(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / name, encoding="utf-8")
    return parser


def requirements(text: str) -> dict[str, Requirement]:
    lines = [line for line in text.splitlines() if line.strip() and "%(" not in line]
    return {found.name: found for found in map(Requirement, lines)}


def lowest(found: Requirement) -> Version:
    return Version(next(iter(found.specifier)).version)


SETUP = read("setup.cfg")
TOX = read("tox.ini")
RUN_TIME = requirements(SETUP["options"]["install_requires"])
OPTIONAL = {
    "agents",
    "asgiref",
    "django",
    "dotenv",
    "flask",
    "langchain_core",
    "litellm",
    "llama_index",
    "mcp",
    "opentelemetry",
    "psycopg",
    "pydantic_ai",
    "pydantic_core",
    "PyInstaller",
}
"""Imported by modules for programs that have it."""
BROUGHT = {"markupsafe", "pytest", "typing_extensions"}
"""What Jinja2 requires, what imports a plugin, and what cattrs requires on Python 3.10."""
LOCAL = requirements(SETUP["options.extras_require"]["local"])
ALIGN = requirements(SETUP["options.extras_require"]["align"])
IMPORT = requirements(SETUP["options.extras_require"]["import"])
BOUNDED = {**RUN_TIME, **LOCAL, **ALIGN, **IMPORT}
MODULES = {"nltk-vader-sentiment": "vader", "protobuf": "google"}
"""The import name of a package, if it differs."""


def test_few_things_are_needed_at_run_time_and_none_has_an_upper_bound() -> None:
    needed = ["aiohttp", "async-timeout", "attrs", "cattrs", "orjson", "requests", "tenacity", "urllib3"]
    assert sorted(RUN_TIME) == needed
    operators = {bound.operator for found in BOUNDED.values() for bound in found.specifier}
    assert {">="} == operators


def test_the_lowest_versions_that_are_allowed_are_those_that_are_tested() -> None:
    allowed = {name: lowest(found) for name, found in BOUNDED.items()}
    pinned = requirements(TOX["testenv:lowest"]["deps"])
    assert allowed == {name: lowest(found) for name, found in pinned.items()}


def test_the_lowest_versions_of_recorded_libraries_are_those_that_are_tested() -> None:
    recorded = ("anthropic", "django", "flask", "gemini", "langchain", "litellm", "llama_index", "openai")
    recorded += ("openai_agents", "opentelemetry", "pydantic_ai")
    extras = [requirements(SETUP["options.extras_require"][name]) for name in recorded]
    allowed = {name: lowest(found) for extra in extras for name, found in extra.items()}
    pinned = requirements(TOX["testenv:integrations-lowest"]["deps"])
    assert allowed == {name: lowest(pinned[name]) for name in allowed}


def test_the_versions_of_python_that_are_named_are_those_that_are_tested() -> None:
    assert f">={INTERPRETERS[0]}" == SETUP["options"]["python_requires"]
    named = re.findall(r":: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.MULTILINE)
    tested = [f"3.{minor}" for minor in re.findall(r"py3(\d+)", TOX["tox"]["env_list"])]
    assert [*INTERPRETERS] == named == tested


def imports(tree: ast.AST) -> Iterator[str]:
    """The imported modules of other packages, except those that only the type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        else:
            yield from imports(node)


def test_all_that_is_imported_is_required() -> None:
    needed = {
        name.partition(".")[0]
        for path in PACKAGE.rglob("*.py")
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
    }
    required = {MODULES.get(name, name.replace("-", "_")) for name in (*BOUNDED, *OPTIONAL, *BROUGHT)}
    assert required == needed - sys.stdlib_module_names - {"mindlytics", "__future__"}


def test_every_file_of_the_package_is_installed() -> None:
    patterns = {
        package: [pattern.strip() for pattern in text.split()]
        for package, text in SETUP["options.package_data"].items()
    }
    left_out = []
    for path in PACKAGE.rglob("*"):
        if path.is_dir() or path.suffix in {".py", ".pyc"}:
            continue
        folder = path.parent
        while not (folder / "__init__.py").exists():
            folder = folder.parent
        name = ".".join(folder.relative_to(ROOT).parts)
        inside = path.relative_to(folder).as_posix()
        if not any(fnmatch(inside, pattern) for pattern in patterns.get(name, [])):
            left_out.append(path)
    assert [] == left_out
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert set() == {folder for folder in folders if not (folder / "__init__.py").exists()}


def test_the_changelog_begins_with_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest is not None
    assert mindlytics.__version__ == newest[1]


@pytest.fixture
def installed() -> metadata.Distribution:
    for found in metadata.distributions(name="mindlytics"):
        if found.read_text("RECORD"):  # else what a build has left in the checkout
            return found
    pytest.skip("mindlytics is not installed here")


def test_what_is_installed_says_what_it_is(installed: metadata.Distribution) -> None:
    about = installed.metadata
    assert ("mindlytics", mindlytics.__version__, ">=3.10") == (
        about["Name"],
        about["Version"],
        about["Requires-Python"],
    )
    extras = {name.replace("_", "-") for name in SETUP["options.extras_require"]}
    assert extras == {name.replace("_", "-") for name in about.get_all("Provides-Extra") or ()}
    always = {Requirement(text).name for text in installed.requires or () if "extra ==" not in text}
    assert set(RUN_TIME) == always
    assert about.get_payload() or about["Description"]


def test_the_command_is_installed(installed: metadata.Distribution) -> None:
    (command,) = installed.entry_points.select(group="console_scripts", name="mindlytics")
    assert callable(command.load())


def test_the_wheel_holds_what_the_checkout_holds(installed: metadata.Distribution) -> None:
    files = {str(path) for path in installed.files or ()}
    if "mindlytics/__init__.py" not in files:
        pytest.skip("mindlytics is run from the checkout")
    kept = {
        path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    assert set() == kept - files


def test_ci_runs_every_environment_of_tox() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert set(TOX["tox"]["env_list"].split(", ")) == set(re.findall(r"\benv: (\w+)", workflow))
    assert list(INTERPRETERS) == re.findall(r"python: \"(.*)\", env: py", workflow)
