"""The page in a real browser: Chromium, driven by Playwright. ``tests/server/test_page.py`` tests it over HTTP."""
