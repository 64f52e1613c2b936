"""The benchmark runs, loses nothing, and counts rightly. Never a word about a time."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks import frameworks, importing, instructions, report, targets
from benchmarks.__main__ import troubles
from benchmarks.compare import recorded
from benchmarks.counting import count
from benchmarks.environment import REQUIREMENTS, left_out
from benchmarks.process import measure
from benchmarks.sdks import SDKS, SPOOLED, YARDSTICKS
from benchmarks.sink import Sink
from benchmarks.tables import missing, tables
from benchmarks.turns import TURNS

from . import postgres

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the benchmark is run on one Python; the package is not the benchmark"
)


def field(number: int, value: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length = bytes([len(value)]) if len(value) < 128 else bytes([len(value) & 127 | 128, len(value) >> 7])
    return bytes([number << 3 | 2]) + length + value


def part(name: str) -> bytes:
    """A part of a multipart body."""
    id = "5d9f0eb2-dea6-413e-b7f1-5223dbf9f7d1"
    return f'--x\r\nContent-Disposition: form-data; name="{name % id}"\r\n\r\n{{}}\r\n'.encode()


SPAN = field(1, b"trace") + b"\x39" + bytes(8)
SCOPE = field(1, b"scope") + field(2, SPAN) * 3
BODIES = [
    ("/bc/v1/events/queue", b'[{"type":"track"},{"type":"track"}]', 2),
    ("/bc/v1/events/queue", b'{"type":"track"}', 1),
    ("/batch/", b'{"batch":[{},{},{}],"api_key":"key"}', 3),
    ("/v1/batch", b'{"batch":[{}]}', 1),
    (
        "/ingestion.v1alpha.IngestionService/CollectEvents",
        field(1, b"id") + field(2, b"x" * 300) + b"\x18\x96\x01" + field(2, b""),
        2,
    ),
    ("/v1/traces", field(1, field(1, b"resource") + field(2, SCOPE) * 2) + field(1, field(2, SCOPE)), 9),
    (
        "/v0.5/traces",
        b"\x92"
        + b"\xdc\x00\x03"
        + b"\xa0"
        + b"\xa6traces"
        + b"\xd9\x28"
        + b"x" * 40
        + b"\xdd\x00\x01\x11\x70"
        + b"\x91",
        70_000,
    ),
    ("/v0.5/traces", b"\x92" + b"\x91\xda\x00\x02hi" + b"\x92" + b"\x91\x90", 2),
    ("/runs/multipart", b"".join(map(part, ("post.%s", "post.%s.inputs", "post.%s.outputs", "post.%s"))), 2),
    ("/elsewhere", b"whatever", 0),
]


@pytest.mark.parametrize(("path", "body", "events"), BODIES)
def test_events_are_counted_as_each_sdk_encodes_them(path: str, body: bytes, events: int) -> None:
    assert events == count(path, body, gzipped=False)
    assert events == count(path, gzip.compress(body), gzipped=True)


def test_the_sink_takes_bodies_with_a_length_and_in_chunks() -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with Sink() as sink:
        for path, body, _ in BODIES:
            for data in (body, iter([body[:1], body[1:]])):
                asked = urllib.request.Request(sink.url + path, data=data, method="POST")
                with direct.open(asked, timeout=10) as reply:
                    assert 200 == reply.status
        taken = sink.take()
        assert 2 * sum(events for *_, events in BODIES) == taken["events"]
        assert 2 * sum(len(body) for _, body, _ in BODIES) == taken["bytes"]
        assert 2 * len(BODIES) == taken["requests"]
        assert 0 == sink.take()["requests"]


def test_turns_are_as_long_as_real_ones() -> None:
    assert all(40 <= len(turn.user) <= 120 and 80 <= len(turn.assistant) <= 250 for turn in TURNS)
    assert len(TURNS) == len({turn.user for turn in TURNS})


@pytest.mark.timeout(600)  # some thirty programs, one after the other, beside other tests
def test_the_short_form_runs_and_loses_nothing(tmp_path: Path) -> None:
    stored = tmp_path / "result.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--short", "--events", "300", "--out", str(stored)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV_")},
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert (0, "") == (ran.returncode, "" if ran.returncode == 0 else ran.stderr)
    result = json.loads(stored.read_text(encoding="utf-8"))
    assert ["sdks", "limits", "imports", "growth", "cases"] == list(result)[-5:]
    assert [("mindlytics", 0), ("mindlytics_asyncio", 0)] == [(line["name"], line["lost"]) for line in result["sdks"]]
    assert all(300 == line["sent"] == line["arrived"] for line in result["sdks"])
    assert {"requests", "aiohttp", "encoding"} == set(result["limits"])
    assert {"events", "sessions", "pending", "threads", "sizes"} == set(result["growth"])
    assert [1_000, 10_000] == [row["pending"] for row in result["growth"]["pending"]]
    assert {"flask", "service", "cron", "making", "cold"} == set(result["cases"])
    assert ["mindlytics", "mindlytics_asyncio"] == list(result["cases"]["cold"]["sdks"])
    assert [] == troubles(result)
    for table in tables(result):
        assert table.title in ran.stdout
        assert all(len(table.head) == len(row) for row in table.rows)


@pytest.mark.parametrize("name", [SPOOLED, *targets.PEERS, *YARDSTICKS])
def test_what_stands_beside_us_delivers_everything(name: str) -> None:
    if (package := SDKS[name].package) in REQUIREMENTS:
        pytest.importorskip(SDKS[name].importing.split()[1], reason=f"{package} is not installed")
    with Sink() as sink:
        report = recorded(sink, "calls", name, sink.url, 40, python=sys.executable)
        assert (40, 40) == (report["sent"], report["arrived"])
        measure(sys.executable, "-m", "benchmarks.programs.cold", name, sink.url, "20")


def test_an_sdk_that_is_not_there_or_fails_is_left_out_with_a_line() -> None:
    assert ["ddtrace"] == left_out(["mindlytics", "logs", "kafka", "ddtrace"], ["confluent-kafka"])
    result = {**made_up(failure="ended with 1"), "left_out": {"ddtrace": "could not be installed"}}
    lines = ["Left out: ddtrace could not be installed.", "Left out: segment failed: ended with 1."]
    assert lines == missing(result)
    side_by_side = next(tables(result))
    assert ["mindlytics", "posthog"] == [row[0] for row in side_by_side.rows]
    assert all(line in side_by_side.note for line in lines)


def printed(benchmark: str, *options: str) -> str:
    """What a benchmark prints that ends well."""
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{benchmark}", *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    return ran.stdout


def test_what_the_local_server_takes_in_is_measured_in_its_file() -> None:
    output = printed("ingest", "--events", "600", "--rounds", "1", "--growth", "5040")
    assert ["504 events", "600 events"] == re.findall(r"\d+ events(?=  )", output)[:2]
    assert "ready-made, to 5 040" in output


def test_what_is_measured_over_postgresql_too() -> None:
    with postgres.cluster() as server:
        for name in ("reading", "pages"):
            options = ("--events", "600", "1200", "--repeats", "1", "--db", server.database(name))
            output = printed(name, *options)
            assert ["600 turns", "1 200 turns"] == re.findall(r"^[\d ]+ turns", output, re.MULTILINE)
        output = printed("ingest", "--events", "600", "--rounds", "1", "--db", server.database("ingest"))
        assert ["504 events", "600 events"] == re.findall(r"\d+ events(?=  )", output)[:2]


def test_an_import_is_measured_of_which_all_events_arrive() -> None:
    assert dict.fromkeys(importing.KINDS, 1) == {kind: len(each) for kind, each in importing.figures(30, 1).items()}


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_instructions_are_counted_for_each_thread() -> None:
    with Sink() as sink:
        first, together = instructions.run(ROOT, "turn", sink.url, 20)
        assert 0 < first < together
        assert 21 == sink.take()["events"]


def test_the_package_of_an_earlier_commit_comes_from_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    with instructions.package_of("HEAD") as folder:
        assert (folder / "mindlytics" / "__init__.py").is_file()
    assert not folder.exists()


def line(name: str, **figures: Any) -> dict[str, Any]:
    """A line of the comparison, as a run stores it."""
    usual = {"title": name, "failure": None, "lost": 0, "twice": 0, "sent": 10, "arrived": 10, "memory_peak": 2**20}
    times = {
        "call_median": 10.0,
        "call_p99": 20.0,
        "cpu": 40.0,
        "rate": 10_000.0,
        "until_arrived": 0.0,
        "spread": [9_000.0, 11_000.0],
    }
    return {"name": name, **usual, **times, "until_ended": 0.1, **figures}


def made_up(**changes: Any) -> dict[str, Any]:
    """The result of a run with one face and two peers."""
    ours = line("mindlytics", call_median=4.0, rate=60_000.0, cpu=9.0)
    limit = {"rate": 100_000.0, "cpu": 2.0}
    return {
        "sdks": [ours, line("posthog"), line("segment", rate=90_000.0, **changes)],
        "limits": {"requests": limit, "aiohttp": limit, "encoding": {"each": 1.3}},
    }


def test_who_loses_events_has_no_rank() -> None:
    faster, lossy = made_up(), made_up(lost=3)
    assert "segment" == targets.fastest_peer(faster)["name"]
    assert "posthog" == targets.fastest_peer(lossy)["name"]
    assert "lost 3" == next(tables(lossy)).rows[-1][-1]
    assert "segment" == next(tables(lossy)).rows[-1][0]


def test_targets_are_ratios_of_one_run() -> None:
    assert [True, True, True, True] == [each.is_met for each in targets.targets(made_up(lost=3))][:4]
    assert [True, False, True, True] == [each.is_met for each in targets.targets(made_up())][:4]


def test_every_measurement_that_has_a_target_is_compared_with_it() -> None:
    result = {
        **made_up(),
        "growth": {
            "threads": [{"threads": 1, "call_p99": 9.0}, {"threads": 64, "call_p99": 12.0}],
            "pending": [{"pending": 100_000, "collection_added": 5.0}],
            "events": [{"events": 1_000, "rate": 20_000.0}],
        },
        "cases": {
            "flask": {"added_one_client": 31.0, "added_client_each": 45.0},
            "service": {"eager": {"step_max": 15.1}},
            "cron": {"requests_blocking": {"wall": 200.0}},
        },
    }
    result["sdks"].append(line("kafka", rate=80_000.0))
    found = {each.promise: each.is_met for each in targets.targets(result)}
    assert {
        "events per second beside confluent-kafka: mindlytics": True,
        "events per second beside a loop that posts ready-made bodies through requests: mindlytics": True,
        "a call's median: mindlytics": False,
        "CPU for an event: mindlytics": False,
        "p99 of a call from 1 to 64 threads (worst with 64)": False,
        "what 100 000 pending events add to a full garbage collection": True,
        "the first 1 000 events of a process: mindlytics, blocking": True,
        "added to a Flask request by a session and a turn": False,
        "the same with a client for each request": True,
        "the longest step of an asyncio loop whose 1 000 tasks record without a pause": False,
        "a cron job that makes a request with requests and records 20 events": True,
    } == dict(list(found.items())[3:])


def test_neither_kafka_nor_logging_is_a_peer() -> None:
    result = made_up()
    result["sdks"] += [line("kafka", rate=900_000.0), line("logs", rate=800_000.0)]
    assert "segment" == targets.fastest_peer(result)["name"]


def test_only_losses_of_ours_and_what_of_ours_did_not_run_are_troubles() -> None:
    assert [] == troubles(made_up(lost=3))
    assert [] == troubles(made_up(failure="it broke"))
    assert ["mindlytics: it broke"] == troubles({"sdks": [line("mindlytics", failure="it broke")]})
    assert ["mindlytics: lost 1"] == troubles({"sdks": [line("mindlytics", lost=1)]})
    assert ["growth, events: lost 2"] == troubles({"growth": {"events": [{"lost": 2}]}})
    assert ["case, cron: lost 20"] == troubles({"cases": {"flask": None, "cron": {"lost": 20}}})


def test_the_page_is_made_of_the_stored_run() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert 1 == page.count(report.BEGIN) == page.count(report.END)
    if report.STORED.exists():
        result = json.loads(report.STORED.read_text(encoding="utf-8"))
        assert report.section(result) in page
        assert report.picture(result) == report.PICTURE.read_text(encoding="utf-8")
        ET.fromstring(report.picture(result))


def test_the_page_has_the_stored_counts_of_instructions() -> None:
    stored = json.loads(instructions.STORED.read_text(encoding="utf-8"))
    assert instructions.BEGIN + instructions.section(stored) + instructions.END in report.PAGE.read_text("utf-8")
    assert set(instructions.KINDS) == set(stored["counts"]["0a76513"])


def test_the_integrations_are_compared_run_by_run() -> None:
    seen = {"turns": 1, "calls": 1, "runtimes": [20.0], "tokens": 24, "errors": 0}
    found = {
        "an agent": {
            "expected": {"turns": 1, "calls": 1, "tokens": 24, "errors": 0},
            "recorded": {"mindlytics": seen, "Langfuse": {**seen, "turns": 2, "runtimes": []}},
            "times": {"alone": 100.0, "mindlytics": 120.0, "Langfuse": 200.0},
        }
    }
    assert (
        "| an agent | 1: 1, 2 | 1: 1, 1 | 20.0, - | 24: 24, 24 | 0: 0, 0 |"
        == frameworks.records(found).splitlines()[-1]
    )
    assert "| an agent | 100 | 20.0 | 100 | 0.20 |" == frameworks.added(found, "times", "µs").splitlines()[-1]
    assert [] == frameworks.worse(found)
    seen["calls"] = 0
    assert ["an agent: calls 0 instead of 1"] == frameworks.worse(found)
