"""A browser, servers to look at, and what goes wrong in a page while a test looks at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mindlytics import Client
from mindlytics.server.run import LocalServer

from .filled import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HOW = "needs Chromium and Playwright: apt-get install chromium, pip install playwright axe-playwright-python"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "attacker.example"
"""A name that the browser resolves to this machine, as after DNS rebinding."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Without one, the test is skipped, or fails with ``MINDLYTICS_NEEDS_CHROMIUM`` in the environment."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or CHROMIUM is None:
        if os.environ.get("MINDLYTICS_NEEDS_CHROMIUM"):
            pytest.fail(HOW)
        pytest.skip(HOW)
    arguments = [f"--host-resolver-rules=MAP {EVIL} 127.0.0.1", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")  # Playwright runs a loop, which other tests must not meet
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class Tab:
    """A tab of a browser profile of its own, and what its pages complained about."""

    def __init__(self, context: BrowserContext, server: LocalServer) -> None:
        self.context = context
        self.server = server
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.server.url + path)
        return self.page


@contextmanager
def opened(browser: Browser, server: LocalServer, **options: Any) -> Iterator[Tab]:
    context = browser.new_context(**{"timezone_id": "Asia/Kolkata", "locale": "en-GB", **options})
    context.set_default_timeout(20_000)
    try:
        tab = Tab(context, server)
        yield tab
        assert [] == tab.problems
    finally:
        context.close()


@pytest.fixture(scope="package")
def filled() -> Iterator[LocalServer]:
    """A server with conversations of all kinds, which no test changes."""
    with LocalServer() as server:
        fill(server)
        yield server


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """An empty server."""
    with LocalServer() as server:
        yield server


@pytest.fixture
def tab(browser: Browser, filled: LocalServer) -> Iterator[Tab]:
    with opened(browser, filled) as tab:
        yield tab


@pytest.fixture
def client(server: LocalServer) -> Iterator[Client]:
    with Client(api_key="any", project_id="live", server_endpoint=server.url) as client:
        yield client
