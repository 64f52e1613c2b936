"""The built files: the sdist holds the project and its tests pass from there, and the wheel leaves out the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from .. import surroundings

pytest.importorskip("build.env")  # a folder of the name "build", which builds leave behind, is not it
pytestmark = pytest.mark.timeout(600)  # pip has to fetch what builds

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".gitignore"}
MADE = {"PKG-INFO", "mindlytics.egg-info"}
"""What a build adds to an sdist."""
SELECTION = [
    "tests/test_packaging.py",
    "tests/test_docs.py",
    "tests/test_values.py",
    "tests/test_wire.py",
    "tests/align/test_wire.py",
    "tests/cli/test_serve.py",
]


def tracked() -> list[str]:
    """The project's files, by their paths in it."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist of a clean copy, and a wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("built")
    for name in tracked():
        copy = folder / "clean" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)
    build = [sys.executable, "-m", "build", "--outdir", "dist", "clean"]
    subprocess.run(build, cwd=folder, env=surroundings.FOUND, check=True, timeout=300)
    return folder / "dist"


@pytest.fixture(scope="module")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sdist unpacks to."""
    folder = tmp_path_factory.mktemp("unpacked")
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


def test_the_sdist_holds_all_of_the_project(unpacked: Path) -> None:
    files = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}
    packed = {path.as_posix() for path in files if path.parts[0] not in MADE}
    assert set(tracked()) - LEFT_OUT == packed


def test_the_tests_pass_from_the_unpacked_sdist(unpacked: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", *SELECTION]
    ended = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name for name in tracked() if name.startswith("mindlytics/")} == names
    assert {"mindlytics/py.typed", "mindlytics/align/align.binpb"} <= names
