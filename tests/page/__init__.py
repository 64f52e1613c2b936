"""The page in a real browser: Chromium, driven by Playwright.

``tests/server/test_page.py`` and ``tests/server/test_page_access.py`` test it over HTTP.
"""
