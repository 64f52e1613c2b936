"""Which format a record is of. Records are looked at one by one, since a proxy's log mixes several services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Union

from .context import Context
from .fields import JsonObject
from .shapes import (
    AnyShape,
    Shape,
    adk_session,
    ag2_chat,
    ai_sdk_ui,
    anthropic_messages,
    autogen,
    bedrock_converse,
    botframework_transcript,
    chainlit_thread,
    chatgpt_export,
    claude_code,
    claude_export,
    codex_rollout,
    discord_export,
    gemini,
    inspect_ai,
    intercom_conversations,
    langchain_dump,
    langfuse_trace,
    langsmith_runs,
    librechat,
    llama_index,
    messenger_export,
    oasst_tree,
    open_webui,
    openai_agents,
    openai_assistants_thread,
    openai_chat,
    openai_chat_log,
    openai_responses,
    openinference_spans,
    otlp_genai,
    pydantic_ai,
    rasa_tracker,
    rows,
    sharegpt,
    slack_export,
    taubench_trajectory,
    teams_export,
    telegram_export,
    whatsapp_txt,
    wildchat_rows,
    zendesk_tickets,
)
from .talk import Talk

SHAPES: tuple[AnyShape, ...] = (
    adk_session.SHAPE,
    ag2_chat.SHAPE,
    autogen.SHAPE,
    botframework_transcript.SHAPE,
    chainlit_thread.SHAPE,
    chatgpt_export.SHAPE,
    claude_code.SHAPE,
    claude_export.SHAPE,
    codex_rollout.SHAPE,
    discord_export.SHAPE,
    inspect_ai.SHAPE,
    intercom_conversations.SHAPE,
    langfuse_trace.SHAPE,
    langsmith_runs.SHAPE,
    llama_index.SHAPE,
    messenger_export.SHAPE,
    openinference_spans.SHAPE,
    otlp_genai.SHAPE,
    pydantic_ai.SHAPE,
    rasa_tracker.SHAPE,
    slack_export.SHAPE,
    taubench_trajectory.SHAPE,
    teams_export.SHAPE,
    telegram_export.SHAPE,
    whatsapp_txt.SHAPE,
    zendesk_tickets.SHAPE,
    librechat.SHAPE,
    open_webui.SHAPE,
    oasst_tree.SHAPE,
    openai_assistants_thread.SHAPE,
    langchain_dump.SHAPE,
    wildchat_rows.SHAPE,
    openai_agents.SHAPE,
    openai_chat_log.SHAPE,
    openai_responses.SHAPE,
    gemini.SHAPE,
    sharegpt.SHAPE,
    ai_sdk_ui.SHAPE,
    bedrock_converse.SHAPE,
    anthropic_messages.SHAPE,
    rows.MESSAGES_SHAPE,
    rows.TURNS_SHAPE,
    openai_chat.SHAPE,
)
"""In the order in which they are asked: the ones with the clearest marks first."""
Plugged = Union[JsonObject, Iterable[JsonObject], None]
"""What a function of the user's own makes of a record."""
BY_NAME = {shape.name: shape for shape in SHAPES}


def detect(record: object) -> AnyShape | None:
    """The shape of a record, if it is of a known one."""
    if openai_chat.is_export(record):
        return openai_chat.SHAPE
    for shape in SHAPES:
        if shape.detects(record):
            return shape
    return None


def named(name: str) -> AnyShape:
    """The shape of that name, or the function ``package.module:function`` as one.

    Such a function takes a record, and returns one in the project's own format, several, or None.

    :raises ValueError: there is none.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(
            f"there is no format {name!r}: use one of {', '.join(sorted(BY_NAME))}, or package.module:function"
        )
    try:
        made = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name} cannot be imported: {error}") from None
    return plugged(made)


def plugged(function: Callable[[Any], Plugged]) -> Shape:
    """A shape of a function that turns a record into one of the project's own format, or several, or None."""

    def read(record: object, context: Context) -> Iterator[Talk]:
        found = function(record)
        for each in [found] if isinstance(found, dict) else found or []:
            yield from openai_chat.read(each, context)

    return Shape(getattr(function, "__name__", "function"), lambda _: True, read)
