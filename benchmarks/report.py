"""What a run leaves behind: tables on the terminal, a JSON file, and the page and the picture of the documentation.

``python -m benchmarks.report`` writes the page anew from the stored result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .picture import picture
from .process import ROOT
from .sdks import SDKS
from .tables import tables

STORED = ROOT / "benchmarks" / "results" / "performance.json"
"""The run that the documentation shows."""
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- results -->", "<!-- end -->"


def show(result: dict[str, Any]) -> str:
    """The tables for a terminal."""
    return "\n".join(table.text() for table in tables(result))


def store(result: dict[str, Any], path: Path) -> None:
    """Write a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def document(result: dict[str, Any]) -> None:
    """Put a whole run's results into the page, between its markers, and draw the picture."""
    put(section(result), BEGIN, END)
    PICTURE.write_text(picture(result), encoding="utf-8")


def put(text: str, begin: str, end: str) -> None:
    """Write a text into the page, between two markers."""
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{PAGE} has no {begin} … {end}")
    PAGE.write_text(before + begin + text + end + after, encoding="utf-8")


def section(result: dict[str, Any]) -> str:
    """What stands between the page's markers."""
    bars = "![Events per second and call medians as bars](performance.svg)\n"
    return "\n".join(["", "", _made_with(result), bars, *(table.markdown() for table in tables(result)), ""])


def _made_with(result: dict[str, Any]) -> str:
    """When, where and with what the run was made, and how each SDK was set up."""
    machine, versions, options = result["machine"], result["versions"], result["options"]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    setup = "\n".join(
        f"| {sdk.title} | {sdk.package} {versions.get(sdk.package, '')} | {sdk.note} |".replace("  |", " |")
        for sdk in (SDKS[line["name"]] for line in result["sdks"])
    )
    return f"""\
Made on {machine["date"]} at commit {machine["commit"]}: {machine["cores"]} cores ({machine["processor"]}),
{machine["memory_gib"]} GiB, {machine["system"]}, Python {machine["python"]}; load before it {machine["load_before"]};
{options["rounds"]} rounds, {options["events"]} events in a run (fewer for the slow ones).
Versions: {listed}.

| SDK | package | set up |
| --- | --- | --- |
{setup}
"""


if __name__ == "__main__":
    document(json.loads((Path(sys.argv[1]) if sys.argv[1:] else STORED).read_text(encoding="utf-8")))
