"""A service of models: it speaks as OpenAI's, Anthropic's and Google's do, and does what the question says.

``tool:NAME`` in a question has that tool called, with ``{"city": "Bern"}``; the answer is made of the results.
``fail`` is answered with 400, ``retry`` with 500 the first time, ``break`` in the midst of a stream with an error, and
``hang`` does not answer, or goes on no further in a stream.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ARGS = {"city": "Bern"}
OPENAI_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
RESPONSES_USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "total_tokens": 15,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 2},
}
ANTHROPIC_USAGE = {"input_tokens": 6, "output_tokens": 5, "cache_read_input_tokens": 4}
GEMINI_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 15,
}
"""Ten tokens read, four from a cache, and five written, two of them in thought (which Anthropic does not count)."""


class Models:
    """A running server. ``url`` is its address."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.bodies: list[Any] = []
        self.retried: set[str] = set()
        models = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                body = json.loads(self.rfile.read(length))
                models.bodies.append(body)
                try:
                    models.answer(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 300

        self._server = Server(("127.0.0.1", 0), Handler)
        self._numbers = iter(range(1_000_000))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """How the libraries find it."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_BASE": f"{self.url}/v1",
            "OPENAI_API_KEY": "k",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "k",
            "GOOGLE_GEMINI_BASE_URL": self.url,
            "GEMINI_API_KEY": "k",
        }

    def answer(self, to: BaseHTTPRequestHandler, body: Any) -> None:
        path = to.path.partition("?")[0]
        make: Any = next(each for end, each in _MAKERS.items() if end in path)
        question, results = make.read(body)
        if "fail" in question or ("retry" in question and question not in self.retried):
            self.retried.add(question)
            return reply(to, 400 if "fail" in question else 500, {"error": {"message": "no", "type": "x", "code": 400}})
        if "hang" in question and not is_stream(path, body):
            self.stopping.wait(60)
        names = [] if results else re.findall(r"tool:(\w+)", question)
        calls = [(f"call_{next(self._numbers)}", name) for name in names]
        text = "" if calls else f"{' and '.join(results)}." if results else f"You said: {question}"
        if is_stream(path, body):
            return stream(self, to, question, make.pieces(text, calls, body))
        return reply(to, 200, make.whole(text, calls, body))


def is_stream(path: str, body: Any) -> bool:
    return bool(body.get("stream")) or "streamGenerateContent" in path


def reply(to: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    data = json.dumps(body).encode()
    to.send_response(status)
    to.send_header("Content-Type", "application/json")
    to.send_header("Content-Length", str(len(data)))
    to.send_header("retry-after-ms", "1")
    to.end_headers()
    to.wfile.write(data)


def stream(models: Models, to: BaseHTTPRequestHandler, question: str, pieces: Iterator[tuple[str | None, Any]]) -> None:
    to.send_response(200)
    to.send_header("Content-Type", "text/event-stream")
    to.send_header("Connection", "close")
    to.end_headers()
    to.close_connection = True
    broken = "error", {"type": "error", "error": {"message": "no", "type": "overloaded"}}
    for number, piece in enumerate(pieces):
        if number == 3 and "hang" in question:
            models.stopping.wait(60)
        event, data = broken if number == 3 and "break" in question else piece
        name = "" if event is None else f"event: {event}\n"
        text = data if isinstance(data, str) else json.dumps(data)
        to.wfile.write(f"{name}data: {text}\n\n".encode())
        to.wfile.flush()
        if event == "error":
            break


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]] if text else []


class Chat:
    @staticmethod
    def read(body: Any) -> tuple[str, list[str]]:
        messages = body["messages"]
        last = max(at for at, each in enumerate(messages) if each["role"] == "user")
        return _text(messages[last]["content"]), [
            _text(each["content"]) for each in messages[last:] if each["role"] == "tool"
        ]

    @staticmethod
    def whole(text: str, calls: Any, body: Any) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [_function(id, name) for id, name in calls]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop", "logprobs": None}
        return {**_head(body, "chat.completion"), "choices": [choice], "usage": OPENAI_USAGE}

    @staticmethod
    def pieces(text: str, calls: Any, body: Any) -> Iterator[tuple[None, Any]]:
        head = _head(body, "chat.completion.chunk")
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": half} for half in halves(text)]
        for at, (id, name) in enumerate(calls):
            whole = {"index": at, **_function(id, name)}
            deltas.append({"tool_calls": [{**whole, "function": {"name": name, "arguments": ""}}]})
            deltas += [
                {"tool_calls": [{"index": at, "function": {"arguments": half}}]} for half in halves(json.dumps(ARGS))
            ]
        for delta in deltas:
            yield None, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        reason = "tool_calls" if calls else "stop"
        yield None, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield None, {**head, "choices": [], "usage": OPENAI_USAGE}
        yield None, "[DONE]"


class Responses:
    @staticmethod
    def read(body: Any) -> tuple[str, list[str]]:
        items = body["input"]
        if isinstance(items, str):
            return items, []
        said = [_text(each["content"]) for each in items if each.get("role") == "user"]
        return said[-1] if said else "", [
            each["output"] for each in items if each.get("type") == "function_call_output"
        ]

    @staticmethod
    def items(text: str, calls: Any) -> list[Any]:
        part = {"type": "output_text", "text": text, "annotations": []}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        asked = [
            {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": name, "arguments": json.dumps(ARGS),
             "status": "completed"}
            for id, name in calls
        ]  # fmt: skip
        return asked or [message]

    @classmethod
    def whole(cls, text: str, calls: Any, body: Any) -> Any:
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
            "output": cls.items(text, calls), "usage": RESPONSES_USAGE, "error": None, "tools": [],
            "tool_choice": "auto", "parallel_tool_calls": True, "incomplete_details": None, "instructions": None,
            "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        }  # fmt: skip

    @classmethod
    def pieces(cls, text: str, calls: Any, body: Any) -> Iterator[tuple[str, Any]]:
        whole = cls.whole(text, calls, body)
        empty = {**whole, "output": [], "status": "in_progress", "usage": None}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": empty}]
        for at, item in enumerate(whole["output"]):
            bare = {**item, "content": []} if item["type"] == "message" else {**item, "arguments": ""}
            where = {"item_id": item["id"], "output_index": at}
            events.append({"type": "response.output_item.added", "output_index": at, "item": bare})
            if item["type"] == "message":
                part = {**item["content"][0], "text": ""}
                where = {**where, "content_index": 0}
                events.append({"type": "response.content_part.added", **where, "part": part})
                events += [
                    {"type": "response.output_text.delta", **where, "delta": half, "logprobs": []}
                    for half in halves(text)
                ]
            else:
                events += [
                    {"type": "response.function_call_arguments.delta", **where, "delta": half}
                    for half in halves(item["arguments"])
                ]
            events.append({"type": "response.output_item.done", "output_index": at, "item": item})
        events.append({"type": "response.completed", "response": whole})
        for number, event in enumerate(events):
            yield event["type"], {**event, "sequence_number": number}


class Messages:
    @staticmethod
    def read(body: Any) -> tuple[str, list[str]]:
        question, results = "", list[str]()
        for each in body["messages"]:
            blocks = each["content"]
            if isinstance(blocks, str):
                blocks = [{"type": "text", "text": blocks}]
            for block in blocks if each["role"] == "user" else ():
                if block["type"] == "tool_result":
                    results.append(_text(block["content"]))
                else:
                    question, results = _text([block]), []
        return question, results

    @staticmethod
    def blocks(text: str, calls: Any) -> list[Any]:
        return [{"type": "tool_use", "id": id, "name": name, "input": ARGS} for id, name in calls] or [
            {"type": "text", "text": text}
        ]

    @classmethod
    def whole(cls, text: str, calls: Any, body: Any) -> Any:
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": cls.blocks(text, calls), "stop_reason": "tool_use" if calls else "end_turn",
            "stop_sequence": None, "usage": ANTHROPIC_USAGE,
        }  # fmt: skip

    @classmethod
    def pieces(cls, text: str, calls: Any, body: Any) -> Iterator[tuple[str, Any]]:
        whole = cls.whole(text, calls, body)
        begun = {**whole, "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
        yield "message_start", {"type": "message_start", "message": begun}
        for at, block in enumerate(whole["content"]):
            is_text = block["type"] == "text"
            bare = {**block, "text": ""} if is_text else {**block, "input": {}}
            yield "content_block_start", {"type": "content_block_start", "index": at, "content_block": bare}
            for half in halves(text if is_text else json.dumps(block["input"])):
                delta = (
                    {"type": "text_delta", "text": half}
                    if is_text
                    else {"type": "input_json_delta", "partial_json": half}
                )
                yield "content_block_delta", {"type": "content_block_delta", "index": at, "delta": delta}
            yield "content_block_stop", {"type": "content_block_stop", "index": at}
        delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        yield "message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}
        yield "message_stop", {"type": "message_stop"}


class Gemini:
    @staticmethod
    def read(body: Any) -> tuple[str, list[str]]:
        question, results = "", list[str]()
        for each in body["contents"]:
            for part in each["parts"] if each.get("role") != "model" else ():
                if "functionResponse" in part:
                    results.append(str(next(iter(part["functionResponse"]["response"].values()))))
                elif "text" in part:
                    question, results = part["text"], []
        return question, results

    @staticmethod
    def whole(text: str, calls: Any, body: Any) -> Any:
        parts = [{"functionCall": {"name": name, "args": ARGS}} for _, name in calls] or [{"text": text}]
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        return {"candidates": [candidate], "usageMetadata": GEMINI_USAGE, "modelVersion": "gemini-1"}

    @classmethod
    def pieces(cls, text: str, calls: Any, body: Any) -> Iterator[tuple[None, Any]]:
        whole = cls.whole(text, calls, body)
        parts = (
            whole["candidates"][0]["content"]["parts"]
            if calls
            else [{"text": half} for half in [*halves(text), "", ""]]
        )
        for at, part in enumerate(parts):
            candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
            last = {"usageMetadata": GEMINI_USAGE} if at == len(parts) - 1 else {}
            yield None, {"candidates": [candidate], "modelVersion": "gemini-1", **last}


_MAKERS = {"/chat/completions": Chat, "/responses": Responses, "/messages": Messages, "enerateContent": Gemini}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(each.get("text", "") for each in content)


def _function(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(ARGS)}}


def _head(body: Any, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"]}
