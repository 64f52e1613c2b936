"""Reads requests and replies of OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Mapping

from .dialogue import Answer, Asked, Result, Wanted
from .fields import get, items_of, str_of
from .texts import text_of

_ARGUMENTS = ("arguments", "input", "action", "actions", "operation", "queries", "code")
"""Where the kinds of calls have their arguments."""
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Responses:
    """Reads requests to ``/responses``."""

    def asked(self, body: object) -> Asked:
        content = get(body, "input")
        items = items_of(content)
        last = max((at for at, each in enumerate(items) if get(each, "role") == "user"), default=-1)
        thread = get(body, "conversation")
        return Asked(
            user=content if isinstance(content, str) else text_of(get(items[last], "content")) if last >= 0 else "",
            results=[
                Result(get(each, "call_id") or get(each, "id"), get(each, "output"))
                for each in items
                if str(get(each, "type")).endswith("_call_output")
            ],
            earlier=[get(each, "call_id") for each in items[: max(last, 0)] if _is_call(each)],
            thread_id=thread if isinstance(thread, str) else get(thread, "id"),
            model=get(body, "model"),
            is_forced=get(body, "tool_choice", "type") in ("function", "custom"),
        )

    def answer(self, reply: object) -> Answer:
        items = items_of(get(reply, "output"))
        outputs = {get(each, "call_id"): each for each in items if str(get(each, "type")).endswith("_output")}
        error = get(reply, "error")
        return Answer(
            text="".join(
                text_of(get(each, "content"))
                or "".join(str_of(get(part, "refusal")) for part in items_of(get(each, "content")))
                for each in items
                if get(each, "type") == "message"
            ),
            wanted=[_wanted(each, outputs) for each in items if _is_call(each)],
            usage=get(reply, "usage"),
            model=get(reply, "model"),
            error=None if error is None else str(get(error, "code") or "error"),
        )

    def collected(self) -> ResponsePieces:
        return ResponsePieces(self)


class ResponsePieces:
    """Collects the events of a streamed response. The last one holds the whole answer."""

    def __init__(self, reader: Responses) -> None:
        self._reader = reader
        self._texts: list[str] = []
        self._reply: object = None
        self._model: object = None

    def add(self, piece: object) -> bool:
        kind = str(get(piece, "type"))
        reply = get(piece, "response")
        self._model = get(reply, "model") or self._model
        if kind in _ENDS:
            self._reply = reply
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            self._texts.append(str_of(get(piece, "delta")))
        return kind.endswith(".delta")

    def answer(self) -> Answer:
        if self._reply is not None:
            return self._reader.answer(self._reply)
        return Answer("".join(self._texts), model=self._model)


def _is_call(item: object) -> bool:
    return str(get(item, "type")).endswith("_call")


def _wanted(item: object, outputs: Mapping[object, object]) -> Wanted:
    """A call. The program answers one with a ``call_id``, unless the service has put the output beside it."""
    call_id, error = get(item, "call_id"), get(item, "error")
    args = next((found for name in _ARGUMENTS if (found := get(item, name)) is not None), None)
    return Wanted(
        id=call_id or get(item, "id"),
        name=str_of(get(item, "name")) or str_of(get(item, "type")).removesuffix("_call"),
        args=args,
        is_done=call_id is None or call_id in outputs,
        result=get(outputs.get(call_id, item), "output"),
        error=None if error is None else str(error),
    )
