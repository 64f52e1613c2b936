"""The page over HTTP: what each address shows, and that nothing in a text can act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest
import requests

from mindlytics.server.page import days
from mindlytics.server.page.rendering import duration, marked, milliseconds, money, segment, unsegment
from mindlytics.server.run import LocalServer
from mindlytics.values import UTC

from .browsers import Browser, address, rows, script_tags
from .calls import Caller, event, track, turn

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{7*7}}\u202eevil\u202c"


@pytest.fixture
def browser(caller: Caller) -> Browser:
    made = Browser(caller.url)
    made.http.params = {"project": caller.http.headers["X-App-ID"]}
    return made


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, */*;q=0.1"])
def test_programs_get_json(server: LocalServer, accept: str | None) -> None:
    reply = requests.get(server.url, headers={"Accept": accept}, timeout=20)  # type: ignore[dict-item]
    assert "mindlytics local server" == reply.json()["name"]


def test_a_browser_gets_a_page(server: LocalServer) -> None:
    assert "<h1>Sessions</h1>" in Browser(server.url).show("/")


def test_before_anything_is_recorded_it_says_how() -> None:
    with LocalServer(analysis=None) as server:
        assert f"MLSDK_SERVER_BASE={server.url}\n" in Browser(server.url).show("/")
        assert "Nothing on these days." in Browser(server.url).show("/days")


# -- lists


def test_the_first_words_are_the_earliest_ones(caller: Caller, browser: Browser) -> None:
    caller.take(turn("Thank you.", timestamp="2025-04-03T07:35:20Z"))
    caller.take(turn("Where is my parcel?", timestamp="2025-04-03T07:35:10Z"))
    assert '<h1 dir="auto">Where is my parcel?</h1>' in browser.show("/sessions/s")
    assert 'dir="auto">Where is my parcel?</a>' in browser.show("/")


def test_sessions_come_newest_first_and_in_pages(caller: Caller, browser: Browser) -> None:
    start = datetime(2025, 4, 3, tzinfo=UTC)
    times = [(start + timedelta(seconds=number // 2)).isoformat() for number in range(120)]
    caller.take(*[turn(session_id=f"s{number}", timestamp=at) for number, at in enumerate(times)])
    html = browser.show("/")
    seen = rows(html)
    caller.take(turn(session_id="later", timestamp="2025-05-01T00:00:00Z"))
    while "Older sessions" in html:
        html = browser.show(address(html, "Older sessions"))
        seen += rows(html)
    assert [f"s{number}" for number in reversed(range(120))] == seen
    assert "later" == rows(browser.show("/"))[0]


def test_sessions_by_user_and_time(caller: Caller, browser: Browser) -> None:
    caller.take(
        turn(session_id="a", user_id="ada", timestamp="2025-04-03T23:59:59Z"),
        turn(session_id="b", user_id="ada", timestamp="2025-04-04T00:00:00Z"),
        turn(session_id="c", user_id="bob", timestamp="2025-04-05T00:00:00Z"),
        event("alias", session_id="b", id="ada@example.org", previous_id="ada", timestamp="2025-04-04T00:00:01Z"),
    )
    assert ["b", "a"] == rows(browser.show("/", user="ada@example.org"))
    assert ["c", "b"] == rows(browser.show("/", since="2025-04-04"))
    assert ["b"] == rows(browser.show("/", since="2025-04-04", until="2025-04-04"))
    assert [] == rows(browser.show("/", user="nobody"))
    user = browser.show("/users/ada@example.org")
    assert ["b", "a"] == rows(user)
    assert "<bdi>ada</bdi>" in user


def test_a_list_shows_numbers_and_findings() -> None:
    with LocalServer() as server, (caller := Caller(server.url)).http:
        usage = {"model": "own-model", "prompt_tokens": 41, "completion_tokens": 9, "latency": 812}
        caller.take(
            turn("Where is my  parcel?", "It arrives tomorrow.", properties=usage),
            turn("Thank you.", "You are welcome.", properties={"cost": 0.25}),
            track("Feedback", conversation_id="c", properties={"feedback": "thumbs_down", "comment": "slow"}),
            event("end_session"),
        )
        server.settle()
        browser = Browser(server.url)
        html = browser.show("/")
        for words in ("Where is my parcel?", "$0.2500", ">50<", "thumbs down", "1 fulfilled"):
            assert words in html
        session = browser.show(address(html, "Where is my parcel"))
        for words in ("ask about parcel", "own-model", "41 + 9 tokens", "812 ms", "thumbs down", "slow"):
            assert words in session
        shown = browser.show("/days", days="7")
        assert "0.25" not in shown  # it was in 2025
        shown = browser.show("/days", days="7", until="2025-04-05")
        assert "2025-04-03: $0.2500 cost" in shown
        assert "2025-04-03:" not in browser.show(address(shown, "Earlier"))
        assert "2025-04-03:" not in browser.show(address(shown, "Later"))


def test_days_are_counted() -> None:
    with LocalServer() as server, (caller := Caller(server.url)).http:
        now = datetime.now(UTC).isoformat()
        said = {"cost": 0.25, "latency": 400, "error": "TimeoutError"}
        caller.take(
            turn("Where is my parcel?", "Great!", timestamp=now, properties=said), event("end_session", timestamp=now)
        )
        server.settle()
        html = Browser(server.url).show("/days")
        day = now[:10]
        for words in (
            f"{day}: 1 conversations",
            f"{day}: 1 turns",
            f"{day}: $0.2500 cost",
            f"{day}: 1 fulfilled",
            f"{day}: 1 errors",
            f"{day}: 400 ms median",
        ):
            assert words in html


def test_a_busy_day_is_counted_by_hours_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "MANY", 2)
    with LocalServer(analysis=None) as server, (caller := Caller(server.url)).http:
        for hour in range(3):
            caller.take(turn(session_id=f"s{hour}", timestamp=f"2025-04-03T0{hour}:30:00Z"))
        browser = Browser(server.url)
        whole = browser.show("/days", days="7", until="2025-04-03")
        assert "2025-04-03: 3 turns" in whole
        assert "still being counted" not in whole
        monkeypatch.setattr(days, "COUNTING_SECONDS", -1.0)
        assert "2025-04-03: 3 turns" in browser.show("/days", days="7", until="2025-04-03")  # it is kept
        part = browser.show("/days", days="7", until="2025-04-10")
        assert "still being counted" in part
        assert '<meta http-equiv="refresh"' in part


# -- search


def test_what_was_said_is_found(caller: Caller, browser: Browser) -> None:
    start = datetime(2025, 4, 3, tzinfo=UTC)
    times = [(start + timedelta(seconds=n)).isoformat() for n in range(450)]
    caller.take(*[turn(f"parcel <b>{n}</b>.", "", timestamp=at) for n, at in enumerate(times)])
    caller.take(turn("other words", session_id="t", user_id="bob", timestamp=times[0]))
    html = browser.show("/search", q="448 parcel")
    assert 1 == html.count("<li>")
    assert "<mark>parcel</mark> &lt;b&gt;<mark>448</mark>&lt;/b&gt;." in html
    session = browser.show(re.findall(r'<a href="(/sessions/s[^"#]*)', unescape(html))[0])
    assert ["parcel &lt;b&gt;448&lt;/b&gt;.", "parcel &lt;b&gt;449&lt;/b&gt;."] == re.findall(
        r"parcel &lt;b&gt;4.*?\.", session
    )[-2:]
    assert "From the start" in session
    html = browser.show("/search", q="parcel")
    assert 50 == html.count("<li>")
    assert 50 == browser.show(address(html, "More")).count("<li>")
    assert "other" in browser.show("/search", user="bob")
    assert "Nothing was found." in browser.show("/search", q="parcel", user="bob")


@pytest.mark.parametrize("asked", [{"q": "!"}, {"q": "a", "cursor": "x"}, {"since": "soon"}, {"min_cost": "much"}])
def test_a_wrong_search_says_why(caller: Caller, browser: Browser, asked: dict[str, str]) -> None:
    caller.take(turn())
    html = browser.show("/search", **asked)
    assert 'role="alert"' in html
    assert "Nothing was found." not in html


def test_matches_are_marked_and_escaped() -> None:
    assert "a<mark>&lt;b&gt;</mark>c" == marked("a<b>c", [(1, 4), (2, 3)])
    assert "&amp;" == marked("&", [])


# -- a conversation


def test_a_conversation_is_shown_in_order_of_time(caller: Caller, browser: Browser) -> None:
    def at(second: int) -> str:
        return f"2025-04-03T07:35:{second:02}Z"

    call = {"name": "find_parcel", "args": '{"id": 7}', "result": "on its way", "runtime": 41, "error": "late"}
    caller.take(
        turn("second", "answer", timestamp=at(20), properties={"error": "RateLimit", "colour": "red"}),
        turn("first", "", timestamp=at(10)),
        track("Conversation Function", conversation_id="c", timestamp=at(15), properties=call),
        track("Order Placed", timestamp=at(30), properties={"amount": 3.5}),
        track("MLError", timestamp=at(40), properties={"error_message": "it broke"}),
    )
    html = browser.show("/sessions/s")
    words = ["first", "find_parcel", "41 ms", "failed", "on its way", "second", "answer", "RateLimit", "Order Placed"]
    places = [html.index(each, html.index('id="steps"')) for each in (*words, "it broke")]
    assert sorted(places) == places
    assert '<time datetime="2025-04-03T07:35:10.000Z">2025-04-03 07:35:10 UTC</time>' in html
    assert '"id": 7' in unescape(html)
    assert "1 more property" in html


def test_hostile_texts_are_only_texts(caller: Caller, browser: Browser) -> None:
    own = {"name": HOSTILE[:90], "args": HOSTILE, "result": HOSTILE}
    caller.take(
        event("start_session", user_id=HOSTILE[:90], attributes={HOSTILE[:90]: HOSTILE}),
        event("identify", id=HOSTILE[:90], traits={HOSTILE[:90]: HOSTILE}, user_id=HOSTILE[:90]),
        turn(HOSTILE, HOSTILE, HOSTILE[:90], properties={"model": HOSTILE, HOSTILE[:90]: HOSTILE, "error": HOSTILE}),
        track("Conversation Function", conversation_id=HOSTILE[:90], properties=own),
        track("Feedback", properties={"feedback": HOSTILE, "value": HOSTILE, "comment": HOSTILE, "turn": HOSTILE}),
        track(HOSTILE[:90], properties={HOSTILE[:90]: HOSTILE}),
    )
    assert ["s"] == rows(browser.show("/"))
    session = browser.show("/sessions/s")
    user = browser.show("/users/" + segment(HOSTILE[:90]))
    one = re.search(r'<li class="turn" id="(\w+)"', session)
    assert one is not None
    for html in (browser.show("/"), session, user, browser.show(f"/sessions/s/events/{one[1]}")):
        assert "alert(1)" in html
        assert "<img" not in html
        assert 1 == len(script_tags(html))
        assert "{{7*7}}" in html


def test_a_long_text_is_cut_and_shown_on_a_page_of_its_own(caller: Caller, browser: Browser) -> None:
    words = "word " * 199_000
    caller.take(turn(words, "short"))
    html = browser.show("/sessions/s")
    assert len(html) < 20_000
    whole = browser.show(address(html, "Show all 995,000 characters"))
    assert words in whole
    assert 200 == browser.get("/").status_code


def test_a_long_conversation_comes_in_pages(caller: Caller, browser: Browser) -> None:
    start = datetime(2025, 4, 3, tzinfo=UTC)
    caller.take(
        *[turn(f"said {n}.", "", timestamp=(start + timedelta(seconds=n)).isoformat()) for n in range(450)],
    )
    html = browser.show("/sessions/s")
    end = browser.show(address(html, "To the end"))
    assert "said 449." in end
    seen: list[str] = re.findall(r"said \d+\.", html[html.index('id="steps"') :])
    while "Go on" in html:
        html = browser.show(address(html, "Go on"))
        seen += re.findall(r"said \d+\.", html[html.index('id="steps"') :])
    assert [f"said {n}." for n in range(450)] == seen


def test_a_page_of_large_turns_ends_early(caller: Caller, browser: Browser) -> None:
    for number in range(7):
        caller.take(turn(f"{number}" * 900_000, "", timestamp=f"2025-04-03T07:35:1{number}Z"))
    html = browser.show("/sessions/s")
    assert 5 == html.count('<li class="turn"')
    assert 2 == browser.show(address(html, "Go on")).count('<li class="turn"')


@pytest.mark.parametrize("name", [".", "..", "~", "~.", "a/b", "a%2Fb", "a?b#c", "é 雪", "&amp;", '"'])
def test_any_id_has_an_address(caller: Caller, browser: Browser, name: str) -> None:
    assert name == unsegment(requests.utils.unquote(segment(name)))
    caller.take(turn(session_id=name, user_id=name))
    html = browser.show("/")
    assert [name] == rows(html)
    assert [name] == rows(browser.show(re.findall(r'data-label="User"><a href="([^"]*)"', html)[0].partition("?")[0]))
    assert 'id="steps"' in browser.show(re.findall(r'row"><a href="([^"]*)"', html)[0].partition("?")[0])


def test_projects_are_apart(caller: Caller, browser: Browser) -> None:
    caller.take(turn(session_id="only-here"))
    other = Caller(caller.url, app_id=caller.http.headers["X-App-ID"] + "2")
    with other.http:
        other.take(turn(session_id="only-there"))
    project = str(other.http.headers["X-App-ID"])
    html = browser.show("/")
    assert ["only-here"] == rows(html)
    assert f"project={quote(str(caller.http.headers['X-App-ID'])[:10], safe='')}" in html
    browser.http.params = {}
    assert ["only-there"] == rows(browser.show("/", project=project))
    assert "only-there" in browser.show("/sessions/only-there")
    assert 404 == browser.get("/sessions/only-there", project=str(caller.http.headers["X-App-ID"])).status_code
    assert 404 == browser.get("/", project="none").status_code


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sessions/none", 404),
        ("/sessions/s/events/none", 404),
        ("/users/none", 404),
        ("/?before=x", 400),
        ("/?before=99999999999999999999.1", 400),
        ("/?since=soon", 400),
        ("/?until=9999-12-31", 400),
        ("/days?days=8", 400),
        ("/sessions/s?after=1", 400),
    ],
)
def test_a_wrong_address_is_answered_with_a_page(caller: Caller, browser: Browser, path: str, status: int) -> None:
    caller.take(turn())
    reply = browser.get(path)
    assert (status, "text/html; charset=utf-8") == (reply.status_code, reply.headers["Content-Type"])


def test_files_are_kept_by_browsers(server: LocalServer) -> None:
    browser = Browser(server.url)
    html = browser.show("/")
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', html):
        reply = browser.get(path)
        assert (200, "public, max-age=31536000, immutable") == (reply.status_code, reply.headers["Cache-Control"])
    assert 404 == browser.get("/assets/x/none.js").status_code


# -- how things are written


def test_numbers_are_written_for_people() -> None:
    assert ["open", "0.0 s", "59.9 s", "3:20", "1:04:00"] == [duration(n) for n in (None, 0, 59.9, 200, 3840)]
    assert ["", "41 ms", "1.5 s", "2:00"] == [milliseconds(n) for n in (None, 41, 1500, 120_000)]
    assert ["", "$0.00", "<$0.0001", "$0.0003"] == [money(n) for n in (None, 0, 0.00003, 0.00031)]
    assert "$1,234.50" == money(1234.5)


# -- live


def notices(url: str, **parameters: str) -> Iterator[str]:
    """What an open page hears, line by line."""
    with requests.get(f"{url}/watch", params=parameters, stream=True, timeout=20) as reply:
        assert (200, "text/event-stream") == (reply.status_code, reply.headers["Content-Type"])
        yield from (line for line in reply.iter_lines(1, decode_unicode=True) if line)


def test_an_open_page_hears_of_new_events(caller: Caller) -> None:
    project = str(caller.http.headers["X-App-ID"])
    caller.take(turn(), turn(session_id="other"))
    of_project, of_session = notices(caller.url, project=project), notices(caller.url, project=project, session="s")
    assert ["retry: 2000"] * 2 == [next(of_project), next(of_session)]
    caller.take(turn(session_id="other"))
    assert "data: stored" == next(of_project)
    caller.take(turn())
    assert ["data: stored"] * 2 == [next(of_project), next(of_session)]


def test_an_open_page_leaves_when_the_server_stops() -> None:
    with LocalServer(analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(turn())
        heard = notices(server.url, project="app")
        assert "retry: 2000" == next(heard)
        server.stop()
        assert [":"] == list(heard)
