"""Reads requests and replies of Chat Completions, as of OpenAI and LiteLLM: mappings or objects."""

from __future__ import annotations

from .dialogue import Answer, Asked, Result, Wanted
from .fields import first_of, get, items_of, str_of
from .texts import text_of


class Chat:
    """Reads requests to ``/chat/completions``."""

    def asked(self, body: object) -> Asked:
        user: object = None
        results: list[Result] = []
        called: list[object] = []
        earlier: list[object] = []
        for message in items_of(get(body, "messages")):
            role = get(message, "role")
            if role == "user":
                user = message
                earlier += called
                called = []
            elif role == "tool":
                results.append(Result(get(message, "tool_call_id"), text_of(get(message, "content"))))
            else:
                called += [get(call, "id") for call in items_of(get(message, "tool_calls"))]
        return Asked(
            user=text_of(get(user, "content")),
            results=results,
            earlier=earlier,
            model=get(body, "model"),
            is_forced=get(body, "tool_choice", "type") in ("function", "custom"),
        )

    def answer(self, reply: object) -> Answer:
        message = get(first_of(get(reply, "choices")), "message")
        return Answer(
            text=text_of(get(message, "content")) or str_of(get(message, "refusal")),
            wanted=[_wanted(call) for call in items_of(get(message, "tool_calls"))],
            usage=get(reply, "usage"),
            model=get(reply, "model"),
        )

    def collected(self) -> ChatPieces:
        return ChatPieces()


class ChatPieces:
    """Collects the chunks of a streamed completion, of its first choice."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[object, Wanted] = {}
        self._usage: object = None
        self._model: object = None

    def add(self, piece: object) -> bool:
        self._usage = get(piece, "usage") or self._usage
        self._model = self._model or get(piece, "model")
        choice = first_of(get(piece, "choices"))
        delta = None if get(choice, "index") else get(choice, "delta")
        if delta is None:
            return False
        content = get(delta, "content")
        text = content if isinstance(content, str) else str_of(get(delta, "refusal"))
        if text:
            self._texts.append(text)
        calls = items_of(get(delta, "tool_calls"))
        for each in calls:
            part = _wanted(each)
            call = self._calls.setdefault(get(each, "index") or 0, Wanted(None, "", ""))
            call.id = call.id or part.id
            call.name += part.name
            call.args = f"{call.args}{part.args or ''}"
        return bool(text or calls)

    def answer(self) -> Answer:
        return Answer("".join(self._texts), list(self._calls.values()), self._usage, self._model)


def _wanted(call: object) -> Wanted:
    function = get(call, "function") or get(call, "custom")
    args = get(function, "arguments")
    return Wanted(get(call, "id"), str_of(get(function, "name")), get(function, "input") if args is None else args)
