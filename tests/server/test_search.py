"""Searches: what is found, in which order, page by page, and what the index forgets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import events, users
from mindlytics.server.search import finding, sqlite
from mindlytics.server.search.fulltext import full_text
from mindlytics.server.search.indexing import index_all

from ..postgres import sqlite_only
from .analysing import APPOINTMENT, serving, summaries
from .calls import Caller, event, track, turn

SEARCH = "/bc/v1/search"


def call(name: str, conversation_id: str = "c", **properties: object) -> dict[str, Any]:
    properties = {"name": name, "args": "", "result": "", **properties}
    return track("Conversation Function", conversation_id=conversation_id, properties=properties)


def search(caller: Caller, **parameters: object) -> dict[str, Any]:
    reply = caller.get(SEARCH, **parameters)
    assert 200 == reply.status_code, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def found(caller: Caller, **parameters: object) -> list[str]:
    return [result["snippet"] for result in search(caller, **parameters)["results"]]


def test_turns_calls_feedback_and_traits_are_found(caller: Caller) -> None:
    caller.take(
        event("identify", id="u", traits={"plan": "gold parcel", "n": 7}),
        turn("Where is my parcel?", "On its way."),
        call("find_it", result="the parcel is in Graz"),
        track("Feedback", properties={"feedback": "thumbs_up", "comment": "My parcel came"}),
        track("Bought", properties={"user": "a parcel"}),
    )
    results = {result["kind"]: result for result in search(caller, q="Parcel")["results"]}
    assert {
        "turn": ("user", "Where is my parcel?", [[12, 18]]),
        "call": ("result", "the parcel is in Graz", [[4, 10]]),
        "feedback": ("comment", "My parcel came", [[3, 9]]),
        "user": ("traits", "gold parcel", [[5, 11]]),
    } == {kind: (each["field"], each["snippet"], each["matches"]) for kind, each in results.items()}
    stored = caller.one("events", filter={"event": "Conversation Turn"})
    own = ("kind", "field", "snippet", "matches")
    assert stored == {name: value for name, value in results["turn"].items() if name not in own}
    assert ("u", {"plan": "gold parcel", "n": 7}) == (results["user"]["user_id"], results["user"]["traits"])
    assert ["7"] == found(caller, q="7")


def test_a_user_is_found_by_the_traits_and_ids_of_now(caller: Caller) -> None:
    identify = "/bc/v1/user/identify"
    caller.post(identify, {"id": "ada", "traits": {"plan": "silver"}})
    assert ["silver"] == found(caller, q="silver")
    caller.post(identify, {"id": "ada", "traits": {"plan": "gold"}})
    caller.post("/bc/v1/user/alias", {"id": "ada@mill.example", "previous_id": "ada"})
    assert ([], ["gold"]) == (found(caller, q="silver"), found(caller, q="gold"))
    assert ["ada@mill.example"] == found(caller, q="mill")


def test_filters_find_a_user_whom_later_ones_follow(caller: Caller) -> None:
    for name in ("ada", "bob", "cleo"):
        caller.post("/bc/v1/user/identify", {"id": name, "traits": {"plan": "gold"}})
    ada, bob, _ = caller.find("users")
    by_user = search(caller, q="gold", user="ada", limit=1)["results"]
    by_time = search(caller, q="gold", until=bob["created_at"], limit=1)["results"]
    assert [ada["user_id"]] * 2 == [result["user_id"] for result in by_user + by_time]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("way parcel", [0]),
        ("parcel unknown", []),
        ('"my parcel"', [0]),
        ("way NEAR parcel", []),
        ("NEAR(refund, 2)", []),
        ("parc*", []),
        ("parcel -way", [0]),
        ('"unbalanced', [1]),
        ("(unbalanced", [1]),
        ("user:parcel", [1]),
        ("AND", [1]),
        ("OR", []),
        ("BRÛLÉE", [2]),
        ("brulee", [2]),
        ("京都", [2]),
        ("京", [2]),
        ("京東", []),
        ("o'neill", [3]),
        ("100 %", [3]),
    ],
)
def test_words_of_any_script_and_syntax_as_words(caller: Caller, query: str, expected: list[int]) -> None:
    texts = ["Is my parcel on its way?", "a user's parcel (unbalanced and", "Crème brûlée in 東京都", "O'Neill: 100"]
    caller.take(*[turn(text, "") for text in texts])
    assert [texts[place] for place in expected] == found(caller, q=query)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.sampled_from(["time", "rank"]))
def test_any_text_can_be_searched_or_is_refused(caller: Caller, query: str, order: str) -> None:
    assert caller.get(SEARCH, q=query, order=order).status_code in (200, 400)


@pytest.fixture
def chats(caller: Caller) -> Caller:
    for number, (user, cost) in enumerate((("ada", 0.5), ("bob", 0.02), ("ada", None)), 1):
        ids = {"session_id": f"s{number}", "user_id": user, "conversation_id": f"c{number}"}
        costs = {} if cost is None else {"cost": cost}
        at = f"2025-04-0{number}T10:00:00.000Z"
        caller.take(
            turn(f"parcel {number}", "", **ids, timestamp=at, properties={"assistant_id": f"a{number}", **costs}),
            {**call(f"f{number}"), **ids, "timestamp": at},
        )
    for number, feedback in ((1, "thumbs_up"), (2, "thumbs_down")):
        caller.take(track("Feedback", session_id=f"s{number}", user_id="ada", properties={"feedback": feedback}))
    caller.take(event("alias", session_id="s1", id="ada@mill.example", previous_id="ada"))
    return caller


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [3, 2, 1]),
        ({"user": "ada"}, [3, 1]),
        ({"user": "ada@mill.example"}, [3, 1]),
        ({"user": "nobody"}, []),
        ({"since": "2025-04-02"}, [3, 2]),
        ({"until": "2025-04-02"}, [1]),
        ({"since": "2025-04-02T10:00:00Z", "until": "2025-04-03T12:00:00+02:00"}, [2]),
        ({"assistant": "a2"}, [2]),
        ({"function": "f3"}, [3]),
        ({"feedback": "thumbs_up"}, [1]),
        ({"feedback": "thumbs_down"}, [2]),
        ({"min_cost": 0.1}, [1]),
        ({"max_cost": 0.1}, [2]),
        ({"user": "ada", "function": "f1", "min_cost": 0.01}, [1]),
        ({"user": "bob", "function": "f1"}, []),
    ],
)
@pytest.mark.parametrize("order", ["time", "rank"])
def test_filters(chats: Caller, filters: dict[str, object], expected: list[int], order: str) -> None:
    assert [f"parcel {number}" for number in expected] == found(chats, q="parcel", order=order, **filters)


def test_filters_without_words(chats: Caller) -> None:
    kinds = {(result["kind"], result["session_id"]) for result in search(chats, user="bob")["results"]}
    assert {("feedback", "s2"), ("call", "s2"), ("turn", "s2")} == kinds


def test_intents_and_sentiments_that_the_analysis_found() -> None:
    with serving() as caller:
        caller.take(*APPOINTMENT, turn("An appointment, again", "", "other", session_id="later"))
        summaries(caller)
        expected = ["Hi, I have to move my appointment.", "move_appointment"]
        for filters in ({"intent": "move appointment"}, {"sentiment": "positive"}, {"min_cost": 0.75}):
            assert expected == sorted(found(caller, q="appointment", **filters))
        assert [] == found(caller, q="appointment", sentiment="negative")
        assert [] == found(caller, q="appointment", intent="get refund")


def test_results_come_in_order_of_time_whatever_the_order_of_arrival(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = [7, 3, 9, 1, 5, 8, 2, 6, 4]
    caller.take(*[turn(f"parcel {hour}", "", timestamp=f"2025-04-03T0{hour}:00:00Z") for hour in hours])
    caller.take(*[turn(f"letter {hour}", "", timestamp=f"2025-04-03T0{hour}:00:00Z") for hour in hours])
    expected = [f"parcel {hour}" for hour in sorted(hours, reverse=True)]
    assert expected == found(caller, q="parcel")
    monkeypatch.setattr(sqlite, "FEW", 2)
    for part, gap in ((2, 500), (3, 0), (4, 2)):
        monkeypatch.setattr(sqlite, "PART", part)
        monkeypatch.setattr(sqlite, "GAP", gap)
        assert expected == found(caller, q="parcel")
        assert expected[:2] == found(caller, q="parcel", limit=2)


@pytest.mark.parametrize("order", ["time", "rank"])
def test_pages_do_not_move_while_events_arrive(caller: Caller, order: str) -> None:
    caller.take(*[turn(f"parcel {number}", "") for number in range(5)])
    whole = found(caller, q="parcel", order=order)
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = search(caller, q="parcel", order=order, limit=2, cursor=cursor)
        pages.append([result["snippet"] for result in answer["results"]])
        cursor = answer["next"]
        caller.take(turn("parcel later", "", timestamp="2025-04-03T07:35:11Z"))
    assert [whole[:2], whole[2:4], whole[4:]] == pages


def test_the_best_come_first(caller: Caller) -> None:
    texts = ["parcel", "the parcel among a great many other words that were said", "parcel, my parcel, no other parcel"]
    for text in texts:
        caller.take(turn(text, ""))
    assert [texts[2], texts[0], texts[1]] == found(caller, q="parcel", order="rank")


def test_pages_by_rank_do_not_move_while_texts_of_another_kind_arrive(caller: Caller) -> None:
    texts = [f"{'apple ' * apples}{'pear ' * pears}{'and ' * others}" for apples, pears, others in SHARES]
    caller.take(*[turn(text, "") for text in texts])
    search_for = {"q": "apple pear", "order": "rank", "limit": 1}
    whole = found(caller, **{**search_for, "limit": 200})
    pages, cursor = [], ""
    while cursor is not None:
        answer = search(caller, **search_for, cursor=cursor)
        pages += [result["snippet"] for result in answer["results"]]
        cursor = answer["next"]
        caller.take(*[turn("apple " * 9 + "and " * 90, "") for _ in range(20)])
    assert whole == pages


SHARES = [(1, 3, 9), (3, 1, 9), (1, 3, 5), (3, 1, 5), (2, 2, 7), (1, 2, 0), (2, 1, 0)]


@pytest.mark.parametrize("order", ["time", "rank"])
def test_matches_that_are_not_wanted_hide_none(
    server: LocalServer, caller: Caller, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """However many events and users of other apps and users came later."""
    monkeypatch.setattr(sqlite, "FEW", 2)
    monkeypatch.setattr(finding, "RANKED", 2)
    caller.take(*[_person(name) for name in "abcd"], *[_turn_of(name) for name in "abcd"])
    other = Caller(server.url, app_id=f"other {order}")
    with other.http:
        other.take(*[_person(name) for name in "efg"], *[_turn_of(name) for name in "efg"])
    assert ["parcel b"] == found(caller, q="parcel", user="b", order=order)
    assert {"time": 4, "rank": 2}[order] == len(found(caller, q="parcel", order=order))
    pages = [search(caller, q="gold", limit=3)]
    pages.append(search(caller, q="gold", limit=3, cursor=pages[0]["next"]))
    assert ["d", "c", "b", "a"] == [result["id"] for page in pages for result in page["results"]]


def _person(name: str) -> dict[str, Any]:
    return event("identify", name, id=name, user_id=name, traits={"plan": "gold"})


def _turn_of(name: str) -> dict[str, Any]:
    return turn(f"parcel {name}", "", session_id=name, user_id=name)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "?!", "user": "ada"}, "q"),
        ({"q": "x" * 501}, "q"),
        ({"q": "x", "order": "size"}, "order"),
        ({"user": "x", "order": "rank"}, "order"),
        ({"q": "x", "limit": 0}, "limit"),
        ({"q": "x", "limit": 201}, "limit"),
        ({"q": "x", "limit": "many"}, "limit"),
        ({"q": "x", "since": "soon"}, "since"),
        ({"q": "x", "until": "9999999"}, "until"),
        ({"q": "x", "feedback": "great"}, "feedback"),
        ({"q": "x", "min_cost": "much"}, "min_cost"),
        ({"q": "x", "max_cost": "nan"}, "max_cost"),
        ({"q": "x", "cursor": "x"}, "cursor"),
        ({"q": "x", "cursor": "é"}, "cursor"),
        ({"q": "x", "colour": "red"}, "colour"),
    ],
)
def test_what_is_refused(caller: Caller, parameters: dict[str, object], field: str) -> None:
    caller.take(turn("x", ""))
    reply = caller.get(SEARCH, **parameters)
    assert (400, "invalid query", field) == (reply.status_code, reply.json()["error"], reply.json()["field"])


@pytest.mark.parametrize("text", ["much", "1,5", "nan", "inf", "$1", "1e", ".", "1."])
def test_a_cost_that_is_no_number(caller: Caller, text: str) -> None:
    assert "min_cost: must be a number" == caller.get(SEARCH, q="x", min_cost=text).json()["message"]


@pytest.mark.parametrize("text", ["0", "-1", "0.05", "2.5e-3", "1E2"])
def test_forms_of_a_cost(caller: Caller, text: str) -> None:
    assert 200 == caller.get(SEARCH, q="x", min_cost=text).status_code


def test_a_cursor_belongs_to_its_search(caller: Caller) -> None:
    caller.take(turn("parcel", ""), turn("parcel", ""))
    cursor = search(caller, q="parcel", limit=1)["next"]
    assert 1 == len(found(caller, q="PARCEL", limit=100, cursor=cursor))
    reply = caller.get(SEARCH, q="letter", cursor=cursor)
    assert (400, "cursor") == (reply.status_code, reply.json()["field"])


def test_each_app_finds_its_own(server: LocalServer, caller: Caller) -> None:
    caller.take(turn("a rare marmot", ""))
    with (other := Caller(server.url, app_id="another app")).http:
        assert [] == found(other, q="marmot")
        other.take(turn("my rare marmot", ""))
        assert ["my rare marmot"] == found(other, q="marmot")
    assert ["a rare marmot"] == found(caller, q="marmot")


def test_what_is_deleted_is_forgotten() -> None:
    def work(records: Records) -> None:
        for table in (events, users):
            records.connection.execute(delete(table))
        records.forget()
        full_text(records.connection).compact()

    with LocalServer(analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(event("identify", id="u", traits={"plan": "goldparcel"}), turn("parcel", ""), call("parcel"))
        index_all(server.store)
        server.store.submit(work).result(30)
        assert [] == found(caller, q="parcel")
        caller.take(turn("parcel again", "", session_id="new", user_id="new"))
        assert ["parcel again"] == found(caller, q="parcel")


@sqlite_only
def test_the_index_stays_sound_and_keeps_no_word_of_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with LocalServer(path, analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(turn("zanzibar", ""), turn("parcel", "", session_id="kept", user_id="kept"))
        caller.take(event("identify", id="u", traits={"place": "madagascar"}))
        index_all(server.store)

        def work(records: Records) -> None:
            records.connection.execute(delete(events).where(events.c.properties.like("%zanzibar%")))
            records.connection.execute(delete(users).where(users.c.user_id == "u"))
            records.connection.execute(delete(events).where(events.c.user_traits.is_not(None)))
            records.forget()
            full_text(records.connection).compact()
            for table in ("event_words", "user_words"):
                check = f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 0)"
                records.connection.exec_driver_sql(check)

        server.store.submit(work).result(30)
        assert ["parcel"] == found(caller, q="parcel")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    assert [b"parcel"] == [word for word in (b"zanzibar", b"madagascar", b"parcel") if word in path.read_bytes()]


def test_everything_is_searched_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    with monkeypatch.context() as patch:
        patch.setattr("mindlytics.server.search.indexing.Indexing._add", lambda self: False)
        with LocalServer(path, analysis=None) as server, (caller := Caller(server.url)).http:
            caller.take(turn("parcel", ""))
    with LocalServer(path, analysis=None) as server, (caller := Caller(server.url)).http:
        assert ["parcel"] == found(caller, q="parcel")
