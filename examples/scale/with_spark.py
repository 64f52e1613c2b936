"""The analysis of exported Parquet with Spark: each task reads the files of one day.

Export first: mindlytics export --format parquet --output lake/
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pyarrow import parquet
from pyspark.sql import SparkSession

from mindlytics.recorded import Finding, findings


def of_days(days: Iterator[str]) -> Iterator[Finding]:
    """What the analysis finds in the files of some days."""
    for day in days:
        paths = [Path(day.replace("/turns/", f"/{name}/", 1)) / "part.parquet" for name in ("turns", "calls")]
        yield from findings(*(parquet.ParquetFile(path).read() for path in paths))


def analysed(lake: str, spark: SparkSession) -> list[Finding]:
    """What the analysis finds, in the order of the days."""
    days = sorted(str(path) for path in (Path(lake) / "turns").iterdir())
    found: list[Finding] = spark.sparkContext.parallelize(days, len(days)).mapPartitions(of_days).collect()
    return found


if __name__ == "__main__":
    session = SparkSession.builder.appName("mindlytics").getOrCreate()
    for finding in analysed(sys.argv[1], session):
        print(finding)
    session.stop()
