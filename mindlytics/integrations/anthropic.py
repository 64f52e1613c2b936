"""Anthropic's library: ``wrap`` makes a client record Messages, and returns the same object.

from mindlytics.integrations.anthropic import wrap

client = wrap(Anthropic())
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from .dialogue import Answer, Asked, Result, Wanted
from .fields import get, items_of, str_of
from .recording import Recorder
from .stainless import Reader, StainlessClient, unwrap_client, wrap_client
from .texts import text_of

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

C = TypeVar("C", bound="StainlessClient")


def wrap(anthropic_client: C, *, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> C:
    """Record the questions through an Anthropic client, blocking or asyncio, including Bedrock's and Vertex'.

    Its copies (``with_options``) record too. Wrapping again replaces session and client.

    :param session: where to record turns. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    :returns: the same client.
    """
    wrap_client(anthropic_client, Recorder(session, client), _reader_for)
    return anthropic_client


def undo(anthropic_client: C) -> C:
    """Stop recording a client, and restore it as it was before ``wrap``."""
    unwrap_client(anthropic_client)
    return anthropic_client


def _reader_for(path: str) -> Reader | None:
    return _MESSAGES if path.endswith("/v1/messages") else None


class Messages:
    """Reads requests to ``/v1/messages``."""

    def asked(self, body: object) -> Asked:
        messages = [(get(each, "role"), _blocks(get(each, "content"))) for each in items_of(get(body, "messages"))]
        last = max((at for at, (role, blocks) in enumerate(messages) if role == "user" and _speaks(blocks)), default=-1)
        said = messages[last][1] if last >= 0 else []
        return Asked(
            user=text_of([block for block in said if get(block, "type") != "tool_result"]),
            results=[
                Result(get(each, "tool_use_id"), text_of(get(each, "content")), bool(get(each, "is_error")))
                for _, blocks in messages
                for each in blocks
                if get(each, "type") == "tool_result"
            ],
            earlier=[
                get(block, "id")
                for _, blocks in messages[: max(last - 1, 0)]
                for block in blocks
                if get(block, "type") == "tool_use"
            ],
            model=get(body, "model"),
            is_forced=get(body, "tool_choice", "type") == "tool",
        )

    def answer(self, reply: object) -> Answer:
        blocks = items_of(get(reply, "content"))
        return Answer(text_of(blocks), _wanted(blocks), get(reply, "usage"), get(reply, "model"))

    def collected(self) -> MessagePieces:
        return MessagePieces()


class MessagePieces:
    """Collects the events of a streamed message."""

    def __init__(self) -> None:
        self._blocks: dict[object, dict[str, object]] = {}
        self._usage: dict[str, object] = {}
        self._model: object = None

    def add(self, piece: object) -> bool:
        kind = get(piece, "type")
        message = get(piece, "message")
        self._model = get(message, "model") or self._model
        self._count(get(message, "usage"))
        self._count(get(piece, "usage"))
        block, delta = get(piece, "content_block"), get(piece, "delta")
        index = get(piece, "index") or 0
        if kind == "content_block_start":
            names = ("type", "text", "id", "name", "tool_use_id", "content", "server_name")
            self._blocks[index] = {name: get(block, name) for name in names}
        if kind != "content_block_delta":
            return False
        held = self._blocks.setdefault(index, {"type": "text"})
        for name, into in (("text", "text"), ("partial_json", "input")):
            more = get(delta, name)
            if isinstance(more, str) and more:
                held[into] = str_of(held.get(into)) + more
        return True

    def _count(self, usage: object) -> None:
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        self._usage.update({name: get(usage, name) for name in names if get(usage, name) is not None})

    def answer(self) -> Answer:
        blocks = list(self._blocks.values())
        return Answer(text_of(blocks), _wanted(blocks), self._usage, self._model)


def _blocks(content: object) -> Sequence[object]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else items_of(content)


def _speaks(blocks: Sequence[object]) -> bool:
    """Whether the message holds words or images of the user, and not only results of tools."""
    return any(get(block, "type") != "tool_result" for block in blocks)


def _wanted(blocks: Sequence[object]) -> list[Wanted]:
    results = {get(block, "tool_use_id"): block for block in blocks if get(block, "tool_use_id") is not None}
    return [
        Wanted(
            id=get(block, "id"),
            name=str_of(get(block, "name")),
            args=get(block, "input"),
            is_done=get(block, "type") != "tool_use",
            result=_plain(get(results.get(get(block, "id")), "content")),
        )
        for block in blocks
        if get(block, "type") in ("tool_use", "server_tool_use", "mcp_tool_use")
    ]


def _plain(content: object) -> object:
    """The result of a tool that Anthropic's service called: its texts, or a value that becomes JSON."""
    if isinstance(content, (list, tuple)):
        return text_of(content) or [_plain(each) for each in content]
    return content.model_dump(mode="json") if hasattr(content, "model_dump") else content


_MESSAGES = Messages()
