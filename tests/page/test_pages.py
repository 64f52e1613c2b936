"""Every page in a browser: no errors, nothing from elsewhere, accessible, also narrow, dark and without JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mindlytics.server.run import LocalServer

from .conftest import Tab, opened
from .filled import HEBREW, HOSTILE, HUGE, JAPANESE
from .pictures import MOST_BYTES, PICTURES, take

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = ["/", "/?user=nobody", "/sessions/shown", "/sessions/hostile", "/users/dana", "/days", "/search?q=parcel"]
SERIOUS = ("serious", "critical")


def violations(tab: Tab) -> list[str]:
    """What axe finds serious on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab.page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}" for each in found if each["impact"] in SERIOUS for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_loads_nothing_from_elsewhere(
    browser: Browser, filled: LocalServer, path: str, scheme: str
) -> None:
    with opened(browser, filled, color_scheme=scheme) as tab:
        tab.open(path)
        for details in tab.page.locator("details").all()[:20]:
            details.evaluate("each => { each.open = true; }")
        assert [] == violations(tab)
        assert [] == [url for url in tab.requested if not url.startswith(filled.url)]
        assert tab.page.evaluate("document.styleSheets.length") == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_narrow_screen_needs_no_scrolling_sideways(browser: Browser, filled: LocalServer, path: str) -> None:
    with opened(browser, filled, viewport={"width": 320, "height": 640}) as tab:
        tab.open(path)
        assert 320 >= tab.page.evaluate("document.documentElement.scrollWidth")


def test_times_are_in_the_zone_of_the_reader(tab: Tab) -> None:
    time = tab.open("/sessions/long").locator("#facts time")
    stored = time.get_attribute("datetime")
    written = tab.page.evaluate(
        "at => new Date(at).toLocaleString('en-GB', {timeZone: 'Asia/Kolkata', hour: '2-digit', minute: '2-digit'})",
        stored,
    )
    assert written in time.inner_text()


def test_it_is_readable_without_javascript(browser: Browser, filled: LocalServer) -> None:
    with opened(browser, filled, java_script_enabled=False) as tab:
        page = tab.open("/")
        page.get_by_label("User").fill("dana")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("link", name="Where is my parcel?").click()
        page.get_by_text("find_parcel", exact=True).click()
        assert page.get_by_text('"parcel": "40718"').is_visible()
        assert "UTC" in page.locator("#facts time").inner_text()


def test_the_keyboard_leads_through_a_page(tab: Tab) -> None:
    page = tab.open("/")
    page.keyboard.press("Tab")
    assert "Skip to the content" == page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    assert "main" == page.evaluate("document.activeElement.id")
    first = page.locator("tbody th a").first
    while not first.evaluate("each => each === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/shown")
    summary = page.locator("li.call summary")
    summary.focus()
    page.keyboard.press("Space")
    assert page.get_by_text("in transit").is_visible()


def test_a_search_leads_to_the_place(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("searchbox", name="Words").fill("question 333")
    page.keyboard.press("Enter")
    page.get_by_text("Question 333.").wait_for()
    page.locator("#found a").first.click()
    page.wait_for_url("**/sessions/long**")
    step = page.locator("li:target")
    assert "Question 333." in step.inner_text()
    assert step.evaluate("each => { const at = each.getBoundingClientRect().top; return at >= 0 && at < innerHeight; }")


def test_back_and_forward_lead_to_what_was_there(tab: Tab) -> None:
    page = tab.open("/")
    first = page.locator("tbody tr").first.get_attribute("data-id")
    page.get_by_role("link", name="Older sessions").click()
    page.wait_for_url("**before=**")
    second = page.locator("tbody tr").first.get_attribute("data-id")
    assert first != second
    page.locator("tbody th a").first.click()
    page.wait_for_url("**/sessions/**")
    page.go_back()
    assert second == page.locator("tbody tr").first.get_attribute("data-id")
    page.go_back()
    assert first == page.locator("tbody tr").first.get_attribute("data-id")
    page.go_forward()
    assert second == page.locator("tbody tr").first.get_attribute("data-id")


# -- odd texts


def test_hostile_texts_do_nothing(tab: Tab) -> None:
    for path in ("/?user=hostile", "/sessions/hostile"):
        page = tab.open(path)
        assert 0 == page.locator("main img, main script, main iframe").count()
    assert HOSTILE == page.locator(".said.user .text").text_content()


def test_a_right_to_left_text_is_shown_as_such(tab: Tab) -> None:
    page = tab.open("/sessions/hebrew")
    said = page.locator(".said.user .text")
    assert HEBREW == said.inner_text()
    assert "rtl" == said.evaluate("each => getComputedStyle(each).direction")
    answer = page.locator(".said.assistant .text")
    assert (JAPANESE, "ltr") == (answer.inner_text(), answer.evaluate("each => getComputedStyle(each).direction"))


def test_a_huge_text_is_cut_and_one_click_away(tab: Tab) -> None:
    page = tab.open("/sessions/huge")
    assert len(page.locator("#steps").inner_text()) < 10_000
    page.get_by_role("link", name="Show all 950,000 characters").click()
    page.wait_for_url("**/events/**")
    assert HUGE == page.locator("pre").first.text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_long_conversation_is_walked_through(tab: Tab) -> None:
    page = tab.open("/sessions/long")
    page.get_by_role("link", name="Go on").click()
    page.wait_for_url("**after=**")
    page.get_by_role("link", name="To the end").click()
    page.wait_for_url("**last=**")
    assert page.get_by_text("Question 449.").is_visible()


# -- pictures


def test_pictures_can_be_made_anew(browser: Browser, filled: LocalServer, tmp_path: Path) -> None:
    take(browser, filled, tmp_path)
    assert sorted(PICTURES) == sorted(path.name for path in tmp_path.iterdir())
    kept = Path(__file__).parents[2] / "docs" / "pictures"
    assert sorted(PICTURES) == sorted(path.name for path in kept.iterdir())
    for path in [*tmp_path.iterdir(), *kept.iterdir()]:
        assert 5_000 < path.stat().st_size < MOST_BYTES, path
