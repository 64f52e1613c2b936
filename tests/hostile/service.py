"""A service that answers with whatever bytes a test wants, on a real socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

Answer = Callable[[], Iterable[bytes]]
"""What is sent after a request, piece by piece. The connection is closed after it."""

KEEP = b""
"""A last piece that keeps the connection open for the next request."""


def plain(status: str = "200 OK", body: bytes = b'{"status":"ok"}', *headers: str, keep: bool = False) -> Answer:
    """One whole reply."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return lambda: [head + body, KEEP] if keep else [head + body]


def raw(*pieces: bytes) -> Answer:
    return lambda: pieces


def endless(head: bytes, piece: bytes) -> Answer:
    def answer() -> Iterator[bytes]:
        yield head
        yield from repeat(piece)

    return answer


def gzip_of_zeros(size: int) -> bytes:
    """So many zero bytes, compressed to a thousandth."""
    packer = zlib.compressobj(9, wbits=31)
    piece = bytes(1024 * 1024)
    packed = [packer.compress(piece) for _ in range(size // len(piece))]
    return b"".join([*packed, packer.flush()])


class HostileService:
    """``plan`` answers the next requests, one each; then ``always`` does.

    :param pause: seconds between the pieces of an answer.
    """

    def __init__(self, always: Answer | None = None) -> None:
        self.plan: deque[Answer] = deque()
        self.always = plain(keep=True) if always is None else always
        self.pause = 0.0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while self._read(stream):
                answer = self.plan.popleft() if self.plan else self.always
                piece: bytes | None = None
                for piece in answer():
                    if self.stopping.is_set():
                        return
                    connection.sendall(piece)
                    if self.pause and self.stopping.wait(self.pause):
                        return
                if piece != KEEP:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                        stream.read(1)  # until the other side has seen the end
                    return

    def _read(self, stream: Any) -> bool:
        line = stream.readline()
        if not line:
            return False
        headers: dict[str, str] = {}
        while (header := stream.readline()).strip():
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.strip().title()] = value.strip()
        body = stream.read(int(headers.get("Content-Length", 0)))
        self.requests.append((line.decode("latin-1").strip(), headers, body))
        return True

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._listener.close()
        self._thread.join(10)


def words(text: str) -> bytes:
    return json.dumps({"message": text}).encode()
