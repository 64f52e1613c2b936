"""Which proxy leads to an address, read from the environment once, in the same way for both faces.

requests and aiohttp differ in reading ``NO_PROXY`` and addresses without a scheme, and aiohttp adds credentials from
``~/.netrc``.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

PORTS = {"http": 80, "https": 443}


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address, or None.

    ``http_proxy``, ``https_proxy`` and ``all_proxy`` name proxies, with or without a scheme. ``no_proxy`` lists host
    names (and thereby their subdomains), addresses, and networks such as ``10.0.0.0/8``, each with an optional port, or
    is ``*``. The lower-case spelling of a variable wins over the upper-case one.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.replace("ws", "http")
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or _is_excepted(parts, scheme, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_excepted(parts: SplitResult, scheme: str, exceptions: str) -> bool:
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS[scheme]
    if not exceptions:
        return bool(proxy_bypass(host))  # the system's own settings, on macOS and Windows
    return any(_matches(host, port, each.strip().lower()) for each in exceptions.split(","))


def _matches(host: str, port: int, rule: str) -> bool:
    if rule == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
    name, colon, number = rule.rpartition(":")
    if colon and number.isdigit() and ("]" in name or ":" not in name):
        if int(number) != port:
            return False
        rule = name
    rule = rule.strip("[]").removeprefix("*").strip(".")
    return bool(rule) and (host == rule or (not _is_address(host) and host.endswith(f".{rule}")))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
