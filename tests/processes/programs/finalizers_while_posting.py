"""Records in finalizers that run on the sender's thread during a request."""

import weakref
from typing import Any

from starts import client, session

from mindlytics.transport.blocking import BlockingTransport


class Last:
    def __del__(self) -> None:
        session.track_event(event="finalizer")


class Other: ...


request: Any = BlockingTransport.request


def request_and_collect(*arguments: object) -> object:
    BlockingTransport.request = request
    Last()
    other = Other()
    weakref.finalize(other, session.track_event, event="finalize")
    del other
    return request(*arguments)


BlockingTransport.request = request_and_collect  # type: ignore[method-assign,assignment]
session.track_event(event="first")
client.flush(20)
print(client.flush(20))
