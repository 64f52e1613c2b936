"""Who may look at the page: keys, cookies, the token of the printed address, and pages of other sites."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import requests

from mindlytics.server.run import LocalServer

from .browsers import BROWSER, Browser, rows
from .calls import Caller, turn


@pytest.fixture(scope="module")
def locked() -> Iterator[LocalServer]:
    with LocalServer(analysis=None, api_key="s3cret", super_key="sup3r") as server:
        with (caller := Caller(server.url, "s3cret")).http:
            caller.take(turn())
        yield server


PAGES = ("/", "/sessions/s", "/users/u", "/days", "/search", "/sessions/s/events/x")


def test_without_a_key_nothing_is_shown(locked: LocalServer) -> None:
    for path in PAGES:
        reply = Browser(locked.url).get(path)
        assert (401, True) == (reply.status_code, 'name="key"' in reply.text)


def test_a_key_signs_in_and_out(locked: LocalServer) -> None:
    browser = Browser(locked.url)
    for wrong in ("", "other", "sup3r", "two words", "x" * 300):
        assert 403 == browser.post("/sign-in", key=wrong).status_code
    reply = browser.post("/sign-in", key="s3cret")
    assert (303, "/") == (reply.status_code, reply.headers["Location"])
    cookie = reply.headers["Set-Cookie"]
    for words in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="):
        assert words in cookie
    assert "s3cret" not in cookie
    assert ["s"] == rows(browser.show("/"))
    assert 303 == browser.get("/sign-in").status_code
    assert 303 == browser.post("/sign-out").status_code
    assert 401 == browser.get("/").status_code


def test_an_invented_cookie_opens_nothing(locked: LocalServer) -> None:
    browser = Browser(locked.url)
    browser.post("/sign-in", key="s3cret")
    (cookie,) = browser.http.cookies
    key_hash, until, signature = str(cookie.value).split(".")
    later = str(int(until) + 1)
    for forged in ("", "x", "..", f"{key_hash}.{until}.", f"{key_hash}.{later}.{signature}", f"{key_hash}.{until}.é"):
        headers = {"Accept": BROWSER, "Cookie": f"{cookie.name}={forged}".encode()}
        assert 401 == requests.get(locked.url, headers=headers, timeout=20).status_code, forged


def test_the_address_that_is_printed_signs_in_once(locked: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = locked.page_url.partition("?token=")[2]
    assert len(token) == 32
    first, second = Browser(locked.url), Browser(locked.url)
    assert 403 == second.get("/?token=wrong").status_code
    assert (303, "/") == ((reply := first.get(f"/?token={token}")).status_code, reply.headers["Location"])
    assert ["s"] == rows(first.show("/"))
    assert 303 == first.get(f"/?token={token}").status_code  # it was read again, as by "back"
    assert 403 == second.get(f"/?token={token}").status_code
    assert [] == [each for each in caplog.records if not each.name.startswith("urllib3") and token in each.getMessage()]


def test_a_removed_key_signs_one_out(locked: LocalServer) -> None:
    with (manager := Caller(locked.url, "sup3r")).http:
        key = manager.post("/bc/v1/orgkeys", {"organization_id": "mill"}).json()["apikey"]
        browser = Browser(locked.url)
        assert 303 == browser.post("/sign-in", key=key).status_code
        assert [] == rows(browser.show("/"))  # another organization's
        assert 404 == browser.get("/sessions/s").status_code
        manager.http.delete(f"{locked.url}/bc/v1/orgkeys", json={"apikey": key}, timeout=20)
        assert 401 == browser.get("/").status_code


def test_forms_of_other_sites_are_refused(locked: LocalServer) -> None:
    for headers in ({"Origin": "http://attacker.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = requests.post(f"{locked.url}/sign-in", {"key": "s3cret"}, headers=headers, timeout=20)
        assert (403, None) == (reply.status_code, reply.headers.get("Set-Cookie"))


def test_a_page_hears_only_of_what_it_may_show(locked: LocalServer) -> None:
    browser = Browser(locked.url)
    assert 401 == browser.get("/watch", project="app").status_code
    browser.post("/sign-in", key="s3cret")
    assert 404 == browser.get("/watch", project="other").status_code
