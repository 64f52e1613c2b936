"""The analysis of exported rows: as the server's own, and the same in one process and with each engine."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics import Client
from mindlytics.recorded import Archive, Finding, findings, read
from mindlytics.recorded.files import write_directory
from mindlytics.server.run import LocalServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "scale"
SAID = [
    ("Where is my parcel?", "It arrives tomorrow."),
    ("I want a refund, this is terrible!", "I am sorry, I cannot do that."),
    ("Cancel my subscription please", "Done, it is cancelled."),
    ("Thanks, great!", ""),
]


@pytest.fixture(scope="module")
def recorded() -> Iterator[Archive]:
    with LocalServer(idle=None) as server:
        with Client(api_key="k", project_id="p", server_endpoint=server.url) as client:
            for number in range(12):
                at = f"2025-04-0{number % 3 + 3}T10:0{number % 10}:00"
                session = client.create_session(session_id=f"s{number:02}", id="ada")
                for place, (user, assistant) in enumerate(SAID[number % 4 :]):
                    error = '{"error": "no"}' if number % 2 else "ok"
                    when = f"{at}.{place}"
                    session.track_conversation_turn(user=user, assistant=assistant, timestamp=f"{when}00Z")
                    session.track_function_call(name="look up", result=error, runtime=150, timestamp=f"{when}50Z")
                session.end_session(timestamp=f"{at}.9Z")
        assert server.settle()
        yield read(server.url, api_key="k", project_id="p")


@pytest.fixture(scope="module")
def lake(recorded: Archive, tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("lake")
    write_directory(recorded.lines(), "parquet", place)
    return str(place)


@pytest.fixture(scope="module")
def expected(recorded: Archive) -> list[Finding]:
    return findings(recorded.turns(), recorded.calls())


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"with_{name}.py"), run_name=f"with_{name}")


def in_order(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: finding["session_id"])


def test_rows_are_analysed_as_the_server_does(recorded: Archive, expected: list[Finding]) -> None:
    stored = [
        (each.session_id, each.summary, each.sentiment, each.intents, each.fulfilled)
        for each in recorded.conversations()
    ]
    names = ("session_id", "summary", "sentiment", "intents", "fulfilled")
    assert stored == [tuple(finding[name] for name in names) for finding in expected]  # type: ignore[literal-required]
    assert len({finding["summary"] for finding in expected}) > 3


def test_tables_come_to_the_same(recorded: Archive, expected: list[Finding]) -> None:
    assert expected == findings(recorded.turns().to_arrow(), recorded.calls().to_arrow())
    assert expected == findings(recorded.turns().to_pandas(), recorded.calls().to_pandas())


def test_a_directory_read_by_pandas_comes_to_the_same(lake: str, expected: list[Finding]) -> None:
    pandas = pytest.importorskip("pandas")
    turns, calls = (pandas.read_parquet(f"{lake}/{name}") for name in ("turns", "calls"))
    assert in_order(expected) == in_order(findings(turns, calls))


def test_polars_comes_to_the_same(recorded: Archive, expected: list[Finding]) -> None:
    pytest.importorskip("polars")
    assert expected == findings(recorded.turns().to_polars(), recorded.calls().to_polars())


def test_duckdb_comes_to_the_same(lake: str, recorded: Archive, expected: list[Finding]) -> None:
    pytest.importorskip("duckdb")
    duckdb = example("duckdb")
    days = [str(turn.timestamp.date()) for turn in recorded.turns()]
    assert [(day, days.count(day), 0) for day in sorted(set(days))] == duckdb["totals"](lake)
    assert in_order(expected) == in_order(duckdb["analysed"](lake))


def test_ray_comes_to_the_same(lake: str, expected: list[Finding]) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        found = example("ray")["analysed"](lake)
    finally:
        ray.shutdown()
    assert in_order(expected) == in_order(found)


def test_spark_comes_to_the_same(lake: str, expected: list[Finding], monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        found = example("spark")["analysed"](lake, spark)
    finally:
        spark.stop()
    assert in_order(expected) == in_order(found)
