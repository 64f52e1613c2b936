"""New events appear on open pages by themselves, recorded by a real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mindlytics import Client
from mindlytics.server.run import LocalServer

from .conftest import Tab, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def live(browser: Browser, server: LocalServer) -> Iterator[Tab]:
    with opened(browser, server) as tab:
        yield tab


def test_a_turn_appears_in_an_open_conversation(live: Tab, client: Client) -> None:
    session = client.create_session(id="ada", session_id="s")
    session.track_conversation_turn(user="Are you there?", assistant="Yes.")
    client.flush()
    page = live.open("/sessions/s")
    page.get_by_text("Ids and attributes").click()
    session.track_conversation_turn(user="What is new?", assistant="This is.")
    client.flush()
    page.get_by_text("This is.", exact=True).wait_for()
    page.locator("#facts").get_by_text("2", exact=True).wait_for()
    assert ["Are you there?", "What is new?"] == page.locator(".said.user .text").all_inner_texts()
    assert page.locator("#facts details").get_attribute("open") is not None
    session.track_function_call(name="look", args={}, result={}, runtime=5)
    session.end_session()
    client.flush()
    page.get_by_text("look", exact=True).wait_for()
    page.locator("#facts").get_by_text("Sentiment").wait_for()  # the analysis of the end


def test_a_turn_that_is_older_appears_in_its_place(live: Tab, client: Client) -> None:
    session = client.create_session(id="ada", session_id="s")
    session.track_conversation_turn(user="Second.", assistant="", timestamp="2025-04-03T07:35:20Z")
    client.flush()
    page = live.open("/sessions/s")
    session.track_conversation_turn(user="Third.", assistant="", timestamp="2025-04-03T07:35:30Z")
    session.track_conversation_turn(user="First.", assistant="", timestamp="2025-04-03T07:35:21Z")
    client.flush()
    page.get_by_text("Third.", exact=True).wait_for()
    page.get_by_text("First.", exact=True).wait_for()
    assert ["Second.", "First.", "Third."] == page.locator(".said.user .text").all_inner_texts()


def test_a_session_appears_in_an_open_list(live: Tab, client: Client) -> None:
    with client.create_session(id="ada", session_id="old") as session:
        session.track_conversation_turn(user="I was first.", assistant="")
    client.flush()
    page = live.open("/")
    link = page.get_by_role("link", name="I was first.")
    link.focus()
    with client.create_session(id="bob", session_id="new") as session:
        session.track_conversation_turn(user="Here I am.", assistant="")
    client.flush()
    page.get_by_role("link", name="Here I am.").wait_for()
    page.get_by_text("One new session").wait_for(state="attached")
    assert ["new", "old"] == [row.get_attribute("data-id") for row in page.locator("tbody tr").all()]
    assert "I was first." == page.evaluate("document.activeElement.innerText")  # in one step: its row may be replaced


def test_the_first_session_appears_on_an_empty_page(live: Tab, client: Client) -> None:
    page = live.open("/")
    page.get_by_text("Nothing has been recorded yet").wait_for()
    with client.create_session(id="ada") as session:
        session.track_conversation_turn(user="Here I am.", assistant="")
    page.get_by_role("link", name="Here I am.").wait_for()
