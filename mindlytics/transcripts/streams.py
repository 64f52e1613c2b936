"""Combines answers in pieces into whole ones: server-sent events as text, or a list of chunks."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from attrs import define

from .fields import JsonObject, list_or_empty, object_or_empty, objects_in, text_or_none

DELTAS: dict[object, tuple[str, str]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("input", "partial_json"),
}
"""What each kind of a piece of Anthropic's goes on with, and where it is."""


def events_of(text: str) -> Iterator[JsonObject]:
    """The data of server-sent events."""
    for line in text.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data.startswith("{"):
            try:
                yield orjson.loads(data)
            except orjson.JSONDecodeError:
                continue


def whole(response: object) -> object:
    """The whole response from a stream of any API. Other values stay as they are."""
    chunks = response
    if isinstance(response, str):
        chunks = list(events_of(response))
    if not isinstance(chunks, list) or not chunks or not all(isinstance(each, dict) for each in chunks):
        return response
    if any("choices" in each for each in chunks):
        return _chat(chunks)
    if any(str(each.get("type", "")).startswith("response.") for each in chunks):
        return next((each["response"] for each in reversed(chunks) if "response" in each), response)
    if any(each.get("type") == "message_start" for each in chunks):
        return _anthropic(chunks)
    if any("candidates" in each for each in chunks):
        return _gemini(chunks)
    return response


def _chat(chunks: list[JsonObject]) -> JsonObject:
    content, refusal = "", ""
    whole: JsonObject = {"object": "chat.completion"}
    calls: dict[object, _Call] = {}
    for chunk in chunks:
        whole.update({key: chunk[key] for key in ("id", "created", "model") if chunk.get(key)})
        if chunk.get("usage"):
            whole["usage"] = chunk["usage"]
        for choice in objects_in(chunk.get("choices")):
            if choice.get("index", 0) != 0:
                continue
            delta = object_or_empty(choice.get("delta"))
            content += text_or_none(delta.get("content")) or ""
            refusal += text_or_none(delta.get("refusal")) or ""
            for piece in objects_in(delta.get("tool_calls")):
                calls.setdefault(piece.get("index", len(calls)), _Call()).add(piece)
    message: JsonObject = {"role": "assistant", "content": content}
    message["tool_calls"] = [calls[index].whole() for index in sorted(calls, key=str)]
    if refusal:
        message["refusal"] = refusal
    return {**whole, "choices": [{"index": 0, "message": message}]}


@define
class _Call:
    """A function call of which the name and the arguments come in pieces."""

    id: str | None = None
    name: str = ""
    arguments: str = ""

    def add(self, piece: JsonObject) -> None:
        self.id = text_or_none(piece.get("id")) or self.id
        function = object_or_empty(piece.get("function"))
        self.name += text_or_none(function.get("name")) or ""
        self.arguments += text_or_none(function.get("arguments")) or ""

    def whole(self) -> JsonObject:
        return {"id": self.id, "function": {"name": self.name, "arguments": self.arguments}}


def _anthropic(chunks: list[JsonObject]) -> JsonObject:
    message: JsonObject = {}
    blocks: dict[object, JsonObject] = {}
    for event in chunks:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            message = dict(object_or_empty(event.get("message")))
        elif kind == "content_block_start":
            blocks[index] = dict(object_or_empty(event.get("content_block")))
        elif kind == "content_block_delta":
            block, delta = blocks.setdefault(index, {}), object_or_empty(event.get("delta"))
            name, piece = DELTAS.get(delta.get("type"), ("", ""))
            if name:
                before = block.get(name)
                block[name] = f"{before if isinstance(before, str) else ''}{text_or_none(delta.get(piece)) or ''}"
        elif kind == "message_delta":
            message["usage"] = {**object_or_empty(message.get("usage")), **object_or_empty(event.get("usage"))}
    return {**message, "content": [blocks[index] for index in sorted(blocks, key=_place)]}


def _place(index: object) -> int:
    return index if isinstance(index, int) else 0


def _gemini(chunks: list[JsonObject]) -> JsonObject:
    parts: list[object] = []
    for chunk in chunks:
        for candidate in objects_in(chunk.get("candidates"))[:1]:
            parts += list_or_empty(object_or_empty(candidate.get("content")).get("parts"))
    whole = {key: value for chunk in chunks for key, value in chunk.items()}
    return {**whole, "candidates": [{"content": {"role": "model", "parts": parts}}]}
