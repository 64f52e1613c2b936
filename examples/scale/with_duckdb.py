"""Totals of each day by SQL over exported Parquet, and the analysis of one day at a time, with DuckDB.

Export first: mindlytics export --format parquet --output lake/
"""

import sys

import duckdb

from mindlytics.recorded import Finding, findings

TOTALS = """
SELECT CAST(day AS VARCHAR), count(*), coalesce(sum(completion_tokens), 0)
FROM read_parquet($turns, hive_partitioning = true) GROUP BY day ORDER BY day
"""
OF_DAY = "SELECT * FROM read_parquet($table, hive_partitioning = true) WHERE CAST(day AS VARCHAR) = $day"


def totals(lake: str) -> list[tuple[str, int, int]]:
    """The turns and the tokens written on each day."""
    rows = duckdb.sql(TOTALS, params={"turns": f"{lake}/turns/*/*.parquet"}).fetchall()
    return [(str(day), int(turns), int(tokens)) for day, turns, tokens in rows]


def analysed(lake: str) -> list[Finding]:
    """What the analysis finds. A conversation is in the file of one day as a whole."""
    found: list[Finding] = []
    for day, _, _ in totals(lake):
        tables = [
            duckdb.sql(OF_DAY, params={"table": f"{lake}/{name}/*/*.parquet", "day": day}).to_arrow_table()
            for name in ("turns", "calls")
        ]
        found += findings(*tables)
    return found


if __name__ == "__main__":
    for row in totals(sys.argv[1]):
        print(*row)
    for finding in analysed(sys.argv[1]):
        print(finding)
