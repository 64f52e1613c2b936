"""Tables of pandas, polars and pyarrow, dicts, and records in partitions of a cluster."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindlytics import HTTPClient
from mindlytics.server.run import LocalServer
from mindlytics.transcripts import Problem, Summary, Transcript, Turn, read, record

ROWS = [
    {"conversation_id": f"c{number}", "user_id": number, "role": role, "content": f"{role} {number}"}
    for number in range(20)
    for role in ("user", "assistant")
]
TURNS = {(f"user {number}", f"assistant {number}") for number in range(20)}


def frame() -> Any:
    return pd.DataFrame(ROWS)


def polars() -> Any:
    return pytest.importorskip("polars").DataFrame(ROWS)


@pytest.mark.parametrize("made", [frame, polars, lambda: pa.Table.from_pylist(ROWS), lambda: ROWS, lambda: iter(ROWS)])
def test_any_table(made: Callable[[], Any]) -> None:
    found = [item for item in read(made()) if isinstance(item, Transcript)]
    assert sorted(TURNS) == sorted(
        (turn.user, turn.assistant) for item in found for turn in item.steps if isinstance(turn, Turn)
    )
    assert {f"c{number}": str(number) for number in range(20)} == {
        item.session["conversation_id"]: item.session["user_id"] for item in found
    }


@pytest.mark.parametrize("rows", [ROWS, [*ROWS, "Dear diary,"]], ids=["among its groups", "before them"])
def test_an_abandoned_reading_closes_its_temporary_database(rows: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    items = read(rows)
    next(items)
    del items
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_missing_values_of_a_frame_are_none() -> None:
    rows = [
        {"conversation_id": 1.0, "user": "Tea?", "assistant": None},
        {"conversation_id": None, "user": "Ho.", "assistant": "Hi."},
    ]
    found = [item for item in read(pd.DataFrame(rows)) if isinstance(item, Transcript)]
    assert [("1", "Tea?", ""), (None, "Ho.", "Hi.")] == [
        (item.session["conversation_id"], turn.user, turn.assistant)
        for item in found
        for turn in item.steps
        if isinstance(turn, Turn)
    ]


def test_parquet_with_nested_messages(tmp_path: Path) -> None:
    rows = [
        {"id": f"c{n}", "messages": [{"role": "user", "content": f"user {n}"}, {"role": "assistant", "content": "Hi."}]}
        for n in range(5)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "chats")
    found = list(read(tmp_path / "chats"))
    assert [("openai_chat", f"c{n}") for n in range(5)] == [
        (item.shape, item.session["conversation_id"]) for item in found if isinstance(item, Transcript)
    ]


def test_a_function_makes_records_of_the_own_format() -> None:
    def mine(row: dict[str, str]) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": row["q"]}]}

    (item,) = read([{"q": "Tea?"}], mine)
    assert isinstance(item, Transcript)
    assert (Turn("Tea?", ""),) == item.steps
    with pytest.raises(ValueError, match="there is no format 'nothing'"):
        read([], "nothing")


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "chats").write_bytes(b"PAR1" + b"x" * 100)
    (problem,) = read(tmp_path / "chats")
    assert isinstance(problem, Problem)
    assert "reading failed" in problem.reason


@pytest.fixture(scope="module")
def service() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


def stored(server: LocalServer, project: str) -> list[tuple[str, str]]:
    with HTTPClient(server_endpoint=server.url, api_key="local", project_id=project, trust_env=False) as http:
        query = {"filter": {"event": "Conversation Turn"}}
        reply = http.send_request(method="GET", url="/bc/v1/db/events/find", data=query)
    return sorted((event["properties"]["user"], event["properties"]["assistant"]) for event in reply)


def to(server: LocalServer, project: str) -> dict[str, str]:
    return {"server_endpoint": server.url, "api_key": "local", "project_id": project}


def test_a_pool_of_processes_and_again(service: LocalServer, tmp_path: Path) -> None:
    files = []
    for number in range(4):
        files.append(tmp_path / f"{number}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in ROWS[number * 10 : number * 10 + 10]))
    run = partial(record, **to(service, "pool"))
    for _ in range(2):
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            total = Summary()
            for summary in pool.map(run, files):
                total += summary
        assert (20, 20, 60, 0, 0) == (total.conversations, total.turns, total.delivered, total.problems, total.refused)
        assert sorted(TURNS) == stored(service, "pool")


def test_spark(service: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    sql = pytest.importorskip("pyspark.sql")
    spark = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = spark.createDataFrame(ROWS).repartition(2, "conversation_id")
        rows.rdd.map(lambda row: row.asDict(True)).foreachPartition(partial(record, **to(service, "spark")))
    finally:
        spark.stop()
    assert sorted(TURNS) == stored(service, "spark")


def test_ray(service: LocalServer) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    here = to(service, "ray")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        rows = ray.data.from_items(ROWS).repartition(1)
        rows.map_batches(
            lambda batch: record(batch, **here) and batch, batch_format="pandas", batch_size=None
        ).materialize()
    finally:
        ray.shutdown()
    assert sorted(TURNS) == stored(service, "ray")


def test_dask(service: LocalServer) -> None:
    dask = pytest.importorskip("dask")
    frames = pytest.importorskip("dask.dataframe")
    parts = frames.from_pandas(pd.DataFrame(ROWS), npartitions=1).to_delayed()
    dask.compute(*(dask.delayed(partial(record, **to(service, "dask")))(part) for part in parts), scheduler="threads")
    assert sorted(TURNS) == stored(service, "dask")


def test_rows_are_in_order_of_time_whatever_their_offsets() -> None:
    rows = [
        {"conversation_id": "c", "role": "user", "content": "Tea?", "timestamp": "2025-04-03T12:00:00"},
        {"conversation_id": "c", "role": "assistant", "content": "Green.", "timestamp": "2025-04-03T11:00:00Z"},
    ]
    (item,) = read(rows, timezone=ZoneInfo("Europe/Vienna"))
    assert isinstance(item, Transcript)
    assert [("Tea?", "Green.")] == [(turn.user, turn.assistant) for turn in item.steps if isinstance(turn, Turn)]


def test_a_run_without_times_costs_nothing() -> None:
    runs: list[dict[str, Any]] = [
        {"id": str(number), "run_type": "llm", "trace_id": "t", "extra": {"metadata": {"thread_id": "c"}}, **times}
        | {"inputs": {"messages": [{"role": "user", "content": f"{number}?"}]}}
        | {"outputs": {"role": "assistant", "content": f"{number}."}}
        for number, times in enumerate([{"start_time": "2025-04-03T11:00:00Z"}, {}])
    ]
    found = list(read(runs))
    assert [] == [item for item in found if isinstance(item, Problem)]
    assert 2 == sum(item.turns for item in found if isinstance(item, Transcript))
