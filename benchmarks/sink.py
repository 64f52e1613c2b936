"""A server that takes whatever is posted, as fast as it can, in a process of its own.

It keeps the bodies and looks into them only when it is asked what came, so counting takes no part in what is timed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
import urllib.request
from types import TracebackType
from typing import Any

from .counting import count

TAKE = "/-/take"
"""Asked by the benchmark: what came since it was asked last."""

KEPT_BYTES = 2**30
"""Above this the oldest bodies are counted at once, so that memory stays bounded."""

JSON_OK = b'{"status":"ok"}'


class Book:
    """What came since the last look."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, bool, list[bytes]]] = []
        self._open()

    def _open(self) -> None:
        self.requests = self.bytes = self.events = 0
        self.last = 0.0
        self._kept_bytes = 0

    def add(self, path: str, gzipped: bool, parts: list[bytes], size: int) -> None:
        self.last = time.monotonic()
        self.requests += 1
        self.bytes += size
        self._kept.append((path, gzipped, parts))
        self._kept_bytes += size
        if self._kept_bytes > KEPT_BYTES:
            self._count()

    def _count(self) -> None:
        self.events += sum(count(path, b"".join(parts), gzipped=gzipped) for path, gzipped, parts in self._kept)
        self._kept.clear()
        self._kept_bytes = 0

    def take(self) -> dict[str, Any]:
        """Requests, bytes, events and the monotonic time of the last body; then it all starts at zero again."""
        self._count()
        taken = {"requests": self.requests, "bytes": self.bytes, "events": self.events, "last": self.last}
        self._open()
        return taken


class Connection(asyncio.Protocol):
    """One kept-alive connection: request after request, with a length or in chunks."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._unread = b""
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if not self._in_body:
                data = self._read_head(data)
            elif self._chunked:
                data = self._read_chunks(data)
            else:
                data = self._read_body(data)

    def _read_head(self, data: bytes) -> bytes:
        head, end, rest = (self._unread + data).partition(b"\r\n\r\n")
        if not end:
            self._unread = head
            return b""
        self._unread = b""
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._method, self._path, _ = first.split(" ")
        self._gzipped = headers.get("content-encoding") == "gzip"
        self._chunked = "chunked" in headers.get("transfer-encoding", "")
        self._missing = int(headers.get("content-length", 0))
        self._parts: list[bytes] = []
        self._size = 0
        self._in_body = True
        if not self._chunked and not self._missing:
            self._finish()
        return rest

    def _read_body(self, data: bytes) -> bytes:
        part, rest = (data, b"") if len(data) <= self._missing else (data[: self._missing], data[self._missing :])
        self._keep(part)
        self._missing -= len(part)
        if not self._missing:
            self._finish()
        return rest

    def _read_chunks(self, data: bytes) -> bytes:
        data = self._unread + data
        while True:
            size, end, rest = data.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16) if end else 0
            if not end or len(rest) < length + 2:
                self._unread = data
                return b""
            if length == 0:
                self._unread = b""
                self._finish()
                return rest[2:]
            self._keep(rest[:length])
            data = rest[length + 2 :]

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)

    def _finish(self) -> None:
        self._in_body = False
        if self._path == TAKE:
            reply, kind = json.dumps(self._book.take()).encode(), "application/json"
        else:
            if self._method != "GET":  # with GET, some SDKs ask what the service can do
                self._book.add(self._path, self._gzipped, self._parts, self._size)
            is_proto = "ingestion" in self._path or self._path == "/v1/traces"
            reply, kind = (b"", "application/x-protobuf") if is_proto else (JSON_OK, "application/json")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(reply)}\r\n\r\n"
        self._transport.write(head.encode() + reply)


class Sink:
    """The benchmark's hold of the sink's process; it ends with the ``with`` block, or with the benchmark."""

    def __enter__(self) -> Sink:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def take(self) -> dict[str, Any]:
        """What came since the last call."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.url + TAKE, timeout=300) as reply:
            taken: dict[str, Any] = json.load(reply)
        return taken


async def _serve() -> None:
    book = Book()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(book), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    gone = asyncio.Event()

    def watch() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(gone.set)

    threading.Thread(target=watch, daemon=True).start()
    await gone.wait()


if __name__ == "__main__":
    gc.disable()
    asyncio.run(_serve())
