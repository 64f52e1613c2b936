"""Sends through a requests.Session of the program's own, in a parent, its child, and the parent again.

USER_OF names what uses the session: Client, HTTPClient or Conversations.
"""

import contextlib
import os
from typing import Any

import requests

own = requests.Session()
own.headers["X-From"] = "parent"


def with_client() -> Any:
    from mindlytics import Client

    client = Client(http_client=own)

    def send() -> None:
        client.create_session(id="u").track_event(event="e")
        assert client.flush(20).pending == 0

    return send


def with_http_client() -> Any:
    from mindlytics import HTTPClient

    client = HTTPClient(http_client=own)
    return lambda: client.send_request(method="POST", url="/x")


def with_conversations() -> Any:
    from mindlytics.antonnia import Conversations
    from mindlytics.antonnia.exceptions import APIError

    client = Conversations("t", os.environ["MLSDK_SERVER_BASE"], http_client=own)

    def send() -> None:
        with contextlib.suppress(APIError):
            client.sessions.get("s")

    return send


send = {"Client": with_client, "HTTPClient": with_http_client, "Conversations": with_conversations}[
    os.environ["USER_OF"]
]()
send()
pid = os.fork()
if pid == 0:
    own.headers["X-From"] = "child"
    send()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
send()
