"""Takes the pictures of the pages that the documentation shows: ``python -m tests.page.pictures``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mindlytics.server.run import LocalServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_BYTES = 150_000
FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SHOWN = {"sessions": "/", "session": "/sessions/shown", "days": "/days"}
PICTURES = [f"{name}-{scheme}.png" for name in SHOWN for scheme in ("light", "dark")]


def take(browser: Browser, server: LocalServer, folder: Path) -> None:
    """Take each picture, in light and in dark."""
    from .conftest import opened

    for scheme in ("light", "dark"):
        options = {"color_scheme": scheme, "viewport": {"width": 1000, "height": 640}, "reduced_motion": "reduce"}
        with opened(browser, server, **options) as tab:
            for name, path in SHOWN.items():
                tab.open(path)
                for details in tab.page.locator("li.call details").all()[:1]:
                    details.evaluate("each => { each.open = true; }")
                tab.page.screenshot(path=folder / f"{name}-{scheme}.png")


def main() -> None:
    from .conftest import chromium
    from .filled import fill

    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser, LocalServer() as server:
        fill(server)
        take(browser, server, FOLDER)


if __name__ == "__main__":
    main()
