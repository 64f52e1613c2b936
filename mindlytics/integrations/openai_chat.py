"""Reads requests and replies of Chat Completions, as of OpenAI and LiteLLM: mappings or objects."""

from __future__ import annotations

from typing import Any

from .dialogue import Answer, Asked, Result, Wanted
from .texts import get, text_of


class Chat:
    """Reads requests to ``/chat/completions``."""

    def asked(self, body: object) -> Asked:
        messages = list(get(body, "messages") or ())
        last = max((at for at, each in enumerate(messages) if get(each, "role") == "user"), default=-1)
        return Asked(
            user=text_of(get(messages[last], "content")) if messages and last >= 0 else "",
            results=[
                Result(get(each, "tool_call_id"), text_of(get(each, "content")))
                for each in messages
                if get(each, "role") == "tool"
            ],
            earlier=[get(call, "id") for each in messages[: max(last, 0)] for call in get(each, "tool_calls") or ()],
            model=get(body, "model"),
            is_forced=get(get(body, "tool_choice"), "type") in ("function", "custom"),
        )

    def answer(self, reply: object) -> Answer:
        choices = get(reply, "choices") or [None]
        message = get(choices[0], "message")
        return Answer(
            text=text_of(get(message, "content")) or get(message, "refusal") or "",
            wanted=[_wanted(call) for call in get(message, "tool_calls") or ()],
            usage=get(reply, "usage"),
            model=get(reply, "model"),
        )

    def collected(self) -> ChatPieces:
        return ChatPieces()


class ChatPieces:
    """Collects the chunks of a streamed completion, of its first choice."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, Wanted] = {}
        self._usage: Any = None
        self._model: Any = None

    def add(self, piece: object) -> bool:
        self._usage = get(piece, "usage") or self._usage
        self._model = get(piece, "model") or self._model
        choices = get(piece, "choices") or ()
        delta = get(choices[0], "delta") if choices and not get(choices[0], "index") else None
        text = get(delta, "content") or get(delta, "refusal") or ""
        if text:
            self._texts.append(text)
        calls = get(delta, "tool_calls") or ()
        for each in calls:
            part = _wanted(each)
            call = self._calls.setdefault(get(each, "index") or 0, Wanted(None, "", ""))
            call.id = call.id or part.id
            call.name += part.name
            call.args += part.args or ""
        return bool(text or calls)

    def answer(self) -> Answer:
        return Answer("".join(self._texts), list(self._calls.values()), self._usage, self._model)


def _wanted(call: object) -> Wanted:
    function = get(call, "function") or get(call, "custom")
    args = get(function, "arguments")
    return Wanted(get(call, "id"), get(function, "name") or "", get(function, "input") if args is None else args)
