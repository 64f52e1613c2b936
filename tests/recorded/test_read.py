"""``mindlytics.read``: rows of a server and of its file, as tables and in notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timezone
from itertools import islice
from pathlib import Path

import pandas
import pytest
import requests

import mindlytics
from mindlytics import Client, InvalidEvent, MLHTTPError
from mindlytics.recorded import Archive, SessionRow, TurnRow
from mindlytics.recorded.frames import MissingLibrary, library
from mindlytics.server.export import PAGE_BYTES
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import StoreError

AT = datetime(2025, 4, 3, 10, tzinfo=timezone.utc)
EVIL = "<script>alert('&')</script>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read") / "m.db"


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[LocalServer]:
    with LocalServer(place, idle=None) as server:
        with Client(api_key="k", project_id="p", server_endpoint=server.url) as client:
            for day, user in ((3, "ada"), (4, "bob")):
                at = AT.replace(day=day)
                session = client.create_session(session_id=user, id=user, attributes={"shop": EVIL})
                session.start_session(timestamp=at)
                usage = {"model": "m", "prompt_tokens": 7, "completion_tokens": 5, "cached_tokens": 2}
                session.track_conversation_turn(
                    user=EVIL, assistant="Tea.", usage=usage, timestamp=at, assistant_id="x"
                )
                session.track_function_call(name="pour", args={"cups": 2}, result="", runtime=1.5, timestamp=at)
                session.track_feedback("thumbs_up", timestamp=at)
                session.track_conversation_usage(cost=0.5, timestamp=at)
                session.end_session(timestamp=at.replace(hour=11))
        server.settle()
        yield server


@pytest.fixture(params=["server", "file"])
def recorded(server: LocalServer, place: Path, request: pytest.FixtureRequest) -> Archive:
    return mindlytics.read(server.url if request.param == "server" else place, project_id="p")


def test_rows_have_types(recorded: Archive) -> None:
    (session, _) = recorded.sessions()
    counts = {"conversations": 1, "turns": 1, "calls": 1, "prompt_tokens": 7, "completion_tokens": 5, "cost": 0.5}
    assert counts == {name: getattr(session, name) for name in counts}
    assert ("ada", AT, AT.replace(hour=11), {"shop": EVIL}) == (
        session.user_id,
        session.started_at,
        session.ended_at,
        session.attributes,
    )
    turn = next(recorded.turns())
    expected = TurnRow(
        session_id="ada",
        conversation_id=turn.conversation_id,
        user_id="ada",
        number=1,
        timestamp=AT,
        user=EVIL,
        assistant="Tea.",
        assistant_id="x",
        model="m",
        prompt_tokens=7,
        completion_tokens=5,
        cached_tokens=2,
    )
    assert expected == turn
    (call, _) = recorded.calls()
    assert ("pour", {"cups": 2}, "", 1.5) == (call.name, json.loads(call.args or ""), call.result, call.runtime)
    assert ["Feedback", "Conversation Usage"] == [event.event for event in recorded.events(user="bob")]
    (talk, _) = recorded.conversations()
    assert (1, 0.5, True) == (talk.turns, talk.cost, talk.summary is not None)


def test_filters_may_be_texts_dates_and_times(recorded: Archive) -> None:
    def found(**filters: object) -> list[str]:
        return [session.session_id for session in recorded.sessions(**filters)]  # type: ignore[arg-type]

    assert ["ada", "bob"] == found()
    assert ["bob"] == found(since="2025-04-04") == found(since=date(2025, 4, 4)) == found(user="bob")
    assert ["ada"] == found(until=AT.replace(day=4)) == found(until="2025-04-04T10:00:00Z")
    assert [] == found(since="2025-04-04", user="ada")
    with pytest.raises(InvalidEvent, match="since must be an ISO 8601 date"):
        found(since="noon")


def test_rows_may_be_read_again_and_one_by_one(recorded: Archive) -> None:
    turns = recorded.turns()
    assert ["ada", "bob"] == [turn.session_id for turn in turns] == [turn.session_id for turn in turns]
    assert ["ada", "bob"] == [next(turns).session_id, next(turns).session_id]
    with pytest.raises(StopIteration):
        next(turns)


def test_frames_have_the_rows(recorded: Archive) -> None:
    frame = recorded.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert ["ada", "bob"] == list(frame["session_id"])
    assert [AT, AT.replace(day=4)] == list(frame["timestamp"])
    assert 2 == recorded.calls().to_arrow().num_rows
    assert 0 == recorded.calls(since="2026-01-01").to_arrow().num_rows


def test_polars_has_the_rows(recorded: Archive) -> None:
    pytest.importorskip("polars")
    assert ["ada", "bob"] == recorded.to_polars()["session_id"].to_list()


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(MissingLibrary, match="no_such is not installed: pip install no_such"):
        library("no_such")


def test_notebooks_show_escaped_tables(recorded: Archive) -> None:
    shown = recorded.turns()._repr_html_()
    assert "2 turns of " in shown
    escaped = "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;"
    for html in (shown, recorded._repr_html_(), next(recorded.sessions())._repr_html_()):
        assert "<script>" not in html
        assert escaped in html


def test_a_long_text_is_cut_in_a_notebook() -> None:
    row = SessionRow(session_id="s", user_id="u" * 1000, started_at=AT)
    assert f"{'u' * 200}…<" in row._repr_html_()


def test_what_cannot_be_read_is_named(server: LocalServer, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no file"):
        list(mindlytics.read(tmp_path / "none.db").sessions())
    with pytest.raises(StoreError, match="there is no project q"):
        list(mindlytics.read(server.store.database.name, project_id="q").sessions())
    with pytest.raises(MLHTTPError, match="no user has this id"):
        list(mindlytics.read(server.url, project_id="p", user="nobody").sessions())


def test_projects_of_one_name_need_a_key(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place, super_key="super") as server:
        for organization in ("mill", "bakery"):
            headers = {"Authorization": "Bearer super"}
            body = {"organization_id": organization}
            key = requests.post(f"{server.url}/bc/v1/orgkeys", json=body, headers=headers, timeout=20).json()["apikey"]
            with Client(api_key=key, project_id="shop", server_endpoint=server.url) as client:
                client.create_session(session_id=organization, id="ada").start_session()
        for project_id in (None, "shop"):
            with pytest.raises(StoreError, match="2 organizations have a project shop: ask a server, with the key"):
                list(mindlytics.read(place, project_id=project_id).sessions())
        archive = mindlytics.read(server.url, api_key=key, project_id="shop")
        assert ["bakery"] == [session.session_id for session in archive.sessions()]


@pytest.mark.parametrize("secret", ["u:s3cr3t@", "u:s3/cr?3t@", "u@", ""])
@pytest.mark.parametrize("query", ["", "?user=u&password=s3cr3t"])
def test_a_password_is_not_shown(secret: str, query: str) -> None:
    shown = repr(mindlytics.read(f"postgresql://{secret}127.0.0.1:5432/shop{query}"))
    assert "<what is recorded at postgresql://127.0.0.1:5432/shop>" == shown


def test_many_sessions_come_page_by_page(tmp_path: Path) -> None:
    text = "t" * (PAGE_BYTES // 100)
    with LocalServer(tmp_path / "m.db", analysis=None) as server:
        with Client(api_key="k", project_id="p", server_endpoint=server.url) as client:
            for number in range(450):
                session = client.create_session(session_id=f"s{number}", id="u")
                long = text if number < 250 else ""
                session.track_conversation_turn(user=long, assistant="", timestamp=AT, conversation_id="c")
        expected = [f"s{number}" for number in range(450)]
        turns = mindlytics.read(server.url, project_id="p").turns()
        assert expected[:3] == [turn.session_id for turn in islice(turns, 3)]
        assert expected == [turn.session_id for turn in turns]
        assert expected == [turn.session_id for turn in mindlytics.read(tmp_path / "m.db").turns()]


def test_a_server_that_fails_now_and_then_is_asked_again(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.recorded.source.LONGEST_WAIT", 0.01)
    monkeypatch.setattr("mindlytics.server.export.SESSIONS_AT_ONCE", 1)
    monkeypatch.setattr("mindlytics.server.export.PAGE_BYTES", 1)
    headers = {"Authorization": "Bearer k"}
    chaos = f"{server.url}/_chaos"
    requests.put(chaos, "503:60%,seed:3", headers=headers, timeout=20)
    try:
        turns = mindlytics.read(server.url, project_id="p").turns()
        for _ in range(5):
            assert ["ada", "bob"] == [turn.session_id for turn in turns]
        assert 1 < requests.get(chaos, headers=headers, timeout=20).json()["met"]["503"]
    finally:
        requests.put(chaos, "", headers=headers, timeout=20)


def test_a_server_that_is_not_there_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(_: object, **request: object) -> dict[str, object]:
        asked.append(request)
        return {"errored": True, "status": 0, "message": "no reply (refused)"}

    monkeypatch.setattr(mindlytics.HTTPClient, "send_request", refuse)
    with pytest.raises(MLHTTPError, match="no reply"):
        list(mindlytics.read("http://127.0.0.1:1").turns())
    assert 1 == len(asked)
