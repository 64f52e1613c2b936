"""A service that stores what it receives, remembers every request, and misbehaves on demand, on real sockets."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import Any

from attrs import define, field


@define
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(factory=time.monotonic)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The names of the received events. A message's first word is its name."""
        if self.headers.get("Content-Type") == "application/proto":
            return _messages(self.body)
        body = self.json
        return body if isinstance(body, list) else [body]

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


def _messages(body: bytes) -> list[dict[str, Any]]:
    from mindlytics.align.wire import decode, decode_request

    return [
        {
            "session_id": getattr(event, "session_id", None),
            "event": getattr(event, "content", event.type).partition(" ")[0],
            "decoded": event,
        }
        for event in map(decode, decode_request(body)[1])
    ]


class Exchange:
    """One request and the ways to answer it."""

    def __init__(self, sink: Sink, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.sink = sink
        self.handler = handler
        self.request = request

    def store(self) -> None:
        self.sink.store(self.request)

    def reply(
        self, status: int = 200, body: bytes = b'{"status":"ok"}', length: int | None = None, **headers: str
    ) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def hang_up(self, *, rudely: bool = False) -> None:
        if rudely:
            self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        self.handler.wfile.flush()
        self.handler.connection.close() if rudely else self.handler.connection.shutdown(socket.SHUT_RDWR)


Fault = Callable[[Exchange], None]


def fine(exchange: Exchange) -> None:
    exchange.store()
    exchange.reply()


def status(code: int, message: str = "no", **headers: str) -> Fault:
    return lambda exchange: exchange.reply(code, json.dumps({"message": message}).encode(), **headers)


def reset(exchange: Exchange) -> None:
    exchange.hang_up(rudely=True)


def lose_reply(exchange: Exchange) -> None:
    exchange.store()
    exchange.hang_up()


def truncate(exchange: Exchange) -> None:
    exchange.store()
    exchange.reply(length=500)
    exchange.hang_up()


def wrong_json(exchange: Exchange) -> None:
    exchange.store()
    exchange.reply(body=b"<html>all is well</html>")


def hang(exchange: Exchange) -> None:
    exchange.sink.stopping.wait(60)
    exchange.hang_up()


def trickle(**headers: str) -> Fault:
    """A reply that never ends. A gzipped one trickles a file's name, which leaves nothing to decode."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(body=b"", length=1_000_000, **headers)
        for byte in chain(b"\x1f\x8b\x08\x08\0\0\0\0\0\3", repeat(ord("n"))):
            exchange.handler.wfile.write(bytes([byte]))
            if exchange.sink.stopping.wait(0.02):
                break

    return fault


def slow(seconds: float) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.sink.stopping.wait(seconds)
        fine(exchange)

    return fault


def held(exchange: Exchange) -> None:
    """No reply until the program asks for another page, with a GET: so it says when."""
    exchange.sink.wait(lambda: any(request.method == "GET" for request in exchange.sink.requests), 60)
    fine(exchange)


def redirect(location: str, code: int = 307) -> Fault:
    return lambda exchange: exchange.reply(code, b"", Location=location)


def compressed(body: bytes, code: int = 200) -> Fault:
    """A reply of a service that compresses although the client asked it not to."""

    def answer(exchange: Exchange) -> None:
        exchange.store()
        assert "identity" == exchange.request.headers["Accept-Encoding"]
        exchange.reply(code, gzip.compress(body), Content_Encoding="gzip")

    return answer


def not_compressed(exchange: Exchange) -> None:
    """A reply that claims to be compressed and is not."""
    exchange.store()
    exchange.reply(Content_Encoding="gzip")


def refuse_marked(exchange: Exchange) -> None:
    """400 for a body with an event of a poisonous name, as the real service refuses a whole array."""
    if any(event.get("event") == "poison" for event in exchange.request.events):
        exchange.reply(400, b'{"message":"poison is not allowed"}')
    else:
        fine(exchange)


def at_most(size: int) -> Fault:
    def fault(exchange: Exchange) -> None:
        if len(exchange.request.body) > size:
            exchange.reply(413, b'{"message":"too large"}')
        else:
            fine(exchange)

    return fault


class Sink:
    """The service. ``plan`` answers the next requests, one each. Then ``always`` does."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.plan: deque[Fault] = deque()
        self.always: Fault = fine
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            disable_nagle_algorithm = True  # a reply is written in two steps

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # the program was killed as it sent it
                    self.close_connection = True
                    return
                sink.answer(Exchange(sink, self, Request(self.command, self.path, dict(self.headers), body)))

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, exchange: Exchange) -> None:
        with self.changed:
            self.requests.append(exchange.request)
            fault = self.plan.popleft() if self.plan else self.always
            self.changed.notify_all()
        fault(exchange)

    def store(self, request: Request) -> None:
        """Keep the events, once for each key: what an idempotent service does."""
        if not request.path.endswith(("/events/queue", "/CollectEvents")):
            return
        with self.changed:
            if request.key is None or request.key not in self.keys:
                self.events.extend(request.events)
            if request.key is not None:
                self.keys.add(request.key)
            self.changed.notify_all()

    def faults(self, *faults: Fault) -> None:
        self.plan.extend(faults)

    def wait(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        """Wait until the condition holds. It is checked whenever something arrives."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "it did not arrive in time"

    def names(self) -> list[str]:
        """The names of the stored custom events, in order."""
        return [event["event"] for event in self.events if "event" in event]

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def texts(events: Iterable[dict[str, Any]]) -> list[str]:
    """What users said, in order."""
    return [event["properties"]["user"] for event in events if event.get("event") == "Conversation Turn"]
