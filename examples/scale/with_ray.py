"""The analysis of exported Parquet with Ray Data: each task reads the files of one day.

Export first: mindlytics export --format parquet --output lake/
"""

import sys
from pathlib import Path
from typing import Any

import ray
from pyarrow import parquet

from mindlytics.recorded import Finding, findings


def of_day(day: dict[str, str]) -> list[dict[str, Any]]:
    """What the analysis finds in the files of a day."""
    lake = Path(day["lake"])
    tables = [parquet.ParquetFile(lake / name / day["day"] / "part.parquet").read() for name in ("turns", "calls")]
    return [dict(finding) for finding in findings(*tables)]


def analysed(lake: str) -> list[Finding]:
    """What the analysis finds, in the order of the days."""
    days = [{"lake": lake, "day": path.name} for path in sorted((Path(lake) / "turns").iterdir())]
    found: list[Finding] = ray.data.from_items(days, override_num_blocks=len(days)).flat_map(of_day).take_all()
    return found


if __name__ == "__main__":
    for finding in analysed(sys.argv[1]):
        print(finding)
