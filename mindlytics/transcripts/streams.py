"""Combines answers in pieces into whole ones: server-sent events as text, or a list of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson


def events_of(text: str) -> Iterator[dict[str, Any]]:
    """The data of server-sent events."""
    for line in text.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data.startswith("{"):
            try:
                yield orjson.loads(data)
            except orjson.JSONDecodeError:
                continue


def whole(response: Any) -> Any:
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


def _chat(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    whole: dict[str, Any] = {"object": "chat.completion"}
    calls: dict[Any, dict[str, Any]] = {}
    for chunk in chunks:
        whole.update({key: chunk[key] for key in ("id", "created", "model") if chunk.get(key)})
        if chunk.get("usage"):
            whole["usage"] = chunk["usage"]
        for choice in chunk.get("choices") or []:
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or {}
            message["content"] += delta.get("content") or ""
            if delta.get("refusal"):
                message["refusal"] = message.get("refusal", "") + delta["refusal"]
            for piece in delta.get("tool_calls") or []:
                call = calls.setdefault(
                    piece.get("index", len(calls)), {"id": None, "function": {"name": "", "arguments": ""}}
                )
                call["id"] = piece.get("id") or call["id"]
                function = piece.get("function") or {}
                call["function"]["name"] += function.get("name") or ""
                call["function"]["arguments"] += function.get("arguments") or ""
    message["tool_calls"] = [calls[index] for index in sorted(calls, key=str)]
    return {**whole, "choices": [{"index": 0, "message": message}]}


def _anthropic(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for event in chunks:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            message = dict(event.get("message") or {})
        elif kind == "content_block_start":
            blocks[index] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta":
            delta = event.get("delta") or {}
            if delta.get("type") == "text_delta":
                blocks[index]["text"] = blocks[index].get("text", "") + delta.get("text", "")
            elif delta.get("type") == "input_json_delta":
                inputs[index] = inputs.get(index, "") + delta.get("partial_json", "")
        elif kind == "message_delta":
            message["usage"] = {**(message.get("usage") or {}), **(event.get("usage") or {})}
    for index, text in inputs.items():
        blocks[index]["input"] = text
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _gemini(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    parts: list[Any] = []
    for chunk in chunks:
        for candidate in (chunk.get("candidates") or [])[:1]:
            parts += (candidate.get("content") or {}).get("parts") or []
    whole = {key: value for chunk in chunks for key, value in chunk.items()}
    return {**whole, "candidates": [{"content": {"role": "model", "parts": parts}}]}
