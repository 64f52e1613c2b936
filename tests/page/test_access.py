"""Who gets at the page through a browser: who signs in, and no page of another site."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from mindlytics import Client
from mindlytics.server.run import LocalServer

from .conftest import EVIL, Tab, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "s3cret"

TRIES = """async (url) => {
    const outcome = {};
    const settle = async (name, attempt) => {
        outcome[name] = await attempt().catch(() => "refused");
    };
    await settle("fetch", async () => (await fetch(url)).text());
    await settle("with cookies", async () => (await fetch(url, { credentials: "include" })).text());
    await settle("opaque", async () => (await fetch(url, { mode: "no-cors" })).text());
    await settle("events", () => new Promise((done, fail) => {
        const source = new EventSource(url + "/watch?project=shop", { withCredentials: true });
        source.onopen = () => done("open");
        source.onerror = fail;
    }));
    await settle("script", () => new Promise((done, fail) => {
        const script = document.createElement("script");
        Object.assign(script, { src: url + "/", onload: () => done("loaded"), onerror: fail });
        document.body.append(script);
    }));
    await settle("frame", () => new Promise((done) => {
        const frame = document.createElement("iframe");
        Object.assign(frame, { src: url + "/", onload: () => done(frame.contentDocument ? "readable" : "refused") });
        document.body.append(frame);
    }));
    return outcome;
}"""


@pytest.fixture(scope="module")
def locked() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY) as server:
        client = Client(api_key=KEY, project_id="shop", server_endpoint=server.url)
        with client, client.create_session(id="ada", session_id="s") as session:
            session.track_conversation_turn(user="Only for me.", assistant="Yes.")
        yield server


@pytest.fixture
def visitor(browser: Browser, locked: LocalServer) -> Iterator[Tab]:
    with opened(browser, locked) as tab:
        yield tab
        tab.problems.clear()  # a browser reports each 401 and 403


def test_a_key_is_typed_in(visitor: Tab) -> None:
    page = visitor.open("/")
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("No organization has this API key.").wait_for()
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Only for me.").click()
    page.get_by_text("Yes.", exact=True).wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
    page.go_back()
    page.get_by_label("API key").wait_for()
    assert 0 == page.get_by_text("Only for me.").count()


def test_the_printed_address_signs_in(browser: Browser, visitor: Tab, locked: LocalServer) -> None:
    page = visitor.page
    page.goto(locked.page_url)
    assert f"{locked.url}/" == page.url
    page.get_by_role("link", name="Only for me.").wait_for()
    (cookie,) = visitor.context.cookies()
    assert (True, "Strict") == (cookie["httpOnly"], cookie["sameSite"])
    assert "" == page.evaluate("document.cookie")
    with opened(browser, locked) as other:
        other.page.goto(locked.page_url)
        other.page.get_by_label("API key").wait_for()
        other.problems.clear()


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another site."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title><body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{EVIL}:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("keys", [False, True])
def test_a_page_of_another_site_learns_nothing(
    browser: Browser, filled: LocalServer, locked: LocalServer, elsewhere: str, keys: bool
) -> None:
    server = locked if keys else filled
    with opened(browser, server) as tab:
        if keys:
            tab.open("/sign-in").get_by_label("API key").fill(KEY)
            tab.page.keyboard.press("Enter")
            tab.page.get_by_role("link", name="Only for me.").wait_for()
        tab.page.goto(elsewhere)
        outcome = tab.page.evaluate(TRIES, server.url)
        assert set(outcome.values()) <= {"refused", ""}, outcome
        tab.problems.clear()


def test_a_name_that_leads_here_is_refused(browser: Browser, filled: LocalServer) -> None:
    with opened(browser, filled) as tab:
        reply = tab.page.goto(filled.url.replace("127.0.0.1", EVIL))
        assert reply is not None
        assert 403 == reply.status
        assert "not a name of this server" in tab.page.inner_text("body")
        tab.problems.clear()
