"""OpenAI's library: ``wrap`` makes a client record Chat Completions and Responses, and returns the same object.

from mindlytics.integrations.openai import wrap

client = wrap(OpenAI())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .openai_chat import Chat
from .openai_responses import Responses
from .recording import Recorder
from .stainless import Reader, StainlessClient, unwrap_client, wrap_client

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

C = TypeVar("C", bound="StainlessClient")

_CHAT, _RESPONSES = Chat(), Responses()


def wrap(openai_client: C, *, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> C:
    """Record the questions through an OpenAI client, blocking or asyncio, including Azure's.

    Its copies (``with_options``) record too. Wrapping again replaces session and client.

    :param session: where to record turns. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    :returns: the same client.
    """
    wrap_client(openai_client, Recorder(session, client), _reader_for)
    return openai_client


def undo(openai_client: C) -> C:
    """Stop recording a client, and restore it as it was before ``wrap``."""
    unwrap_client(openai_client)
    return openai_client


def _reader_for(path: str) -> Reader | None:
    if path.endswith("/chat/completions"):
        return _CHAT
    return _RESPONSES if path.endswith("/responses") else None
