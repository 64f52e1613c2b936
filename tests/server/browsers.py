"""Requests of a browser to the page, and what is read from its HTML."""

from __future__ import annotations

import re
from html import unescape

import requests

from mindlytics.server.page.rendering import HEADERS

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Browser:
    """Requests of a browser, which keeps cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Accept"] = BROWSER

    def get(self, path: str, **parameters: str) -> requests.Response:
        reply = self.http.get(self.url + path, params=parameters, timeout=20, allow_redirects=False)
        if reply.headers.get("Content-Type", "").startswith("text/html"):
            assert HEADERS.items() <= reply.headers.items()
            check_that_nothing_is_inline(reply.text)
        return reply

    def show(self, path: str, **parameters: str) -> str:
        reply = self.get(path, **parameters)
        assert 200 == reply.status_code, reply.text
        return reply.text

    def post(self, path: str, **fields: str) -> requests.Response:
        return self.http.post(self.url + path, data=fields, timeout=20, allow_redirects=False)


def check_that_nothing_is_inline(html: str) -> None:
    """The Content-Security-Policy would block it."""
    for tag in re.findall(r"<[a-zA-Z][^>]*>", html):
        assert not re.search(r"\s(style|on\w+)\s*=|javascript:", tag), tag
    assert all(re.fullmatch(r' type="module" src="/assets/\w+/page\.js"', each) for each in script_tags(html))


def script_tags(html: str) -> list[str]:
    return re.findall(r"<script([^>]*)>", html)


def rows(html: str) -> list[str]:
    """The ids of the sessions in a list."""
    return [unescape(found) for found in re.findall(r'<tr role="row" data-id="([^"]*)">', html)]


def address(html: str, words: str) -> str:
    """Where the link with these words leads."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{words}', html)
    assert found is not None, words
    return unescape(found[1])
