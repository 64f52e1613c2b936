"""Why a request got no reply, in words: errors of the operating system and of the HTTP libraries."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, RemoteDisconnected

BY_NAME = {
    "ServerDisconnectedError": "the connection was closed without a reply",
    "RemoteProtocolError": "the connection was closed without a reply",
    "IncompleteRead": "the reply broke off",
    "ClientPayloadError": "the reply broke off",
    "ChunkedEncodingError": "the reply broke off",
    "InvalidChunkLength": "the reply broke off",
    "BadStatusLine": "the reply is not HTTP",
    "BadHttpMessage": "the reply is not HTTP",
    "ClientResponseError": "the reply is not HTTP",
    "InvalidHeader": "the reply is not HTTP",
    "LineTooLong": "a header of the reply is too long",
    "ConnectTimeout": "timed out",
    "ConnectTimeoutError": "timed out",
    "ReadTimeout": "timed out",
    "ReadTimeoutError": "timed out",
    "WriteTimeout": "timed out",
    "PoolTimeout": "timed out",
}
"""What errors of the libraries mean, by class name, so that this module imports none of them."""

DEPTH = 20


def cause_of(error: BaseException) -> str:
    """What went wrong, in words. For an unknown error, the name of its class."""
    for each in _chain(error):
        words = _words(each)
        if words:
            return words
    return type(error).__name__


def is_timeout(error: BaseException) -> bool:
    """Whether it took too long."""
    return cause_of(error) == "timed out"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the root first."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < DEPTH:
        each = waiting.pop(0)
        if each in found:
            continue
        found.append(each)
        parts = [each.__cause__, each.__context__, getattr(each, "reason", None), getattr(each, "os_error", None)]
        waiting += [part for part in [*parts, *each.args] if isinstance(part, BaseException)]
    return reversed(found)


def _words(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({(error.reason or 'unknown reason').lower().replace('_', ' ')})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "timed out"
    if isinstance(error, RemoteDisconnected):
        return "the connection was closed without a reply"
    if isinstance(error, BadStatusLine):
        return "the reply is not HTTP"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    for kind in type(error).__mro__:
        if kind.__name__ in BY_NAME:
            return BY_NAME[kind.__name__]
    return ""
