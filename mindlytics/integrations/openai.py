"""OpenAI's library: a wrapped client records Chat Completions and Responses, and stays the very same object.

from mindlytics.integrations.openai import wrap

client = wrap(OpenAI())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .openai_chat import Chat
from .openai_responses import Responses
from .recording import Recorder
from .stainless import Reader, unwrap_client, wrap_client

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

C = TypeVar("C")

_READERS: dict[str, Reader] = {"/chat/completions": Chat(), "/responses": Responses()}


def wrap(openai_client: C, *, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> C:
    """Record what is asked through a client of OpenAI's, blocking or asyncio, Azure's too.

    Its copies (``with_options``) are recorded as well. Wrapping again replaces session and client.

    :param session: where turns are recorded; default the current session at each question.
    :param client: makes sessions where none is current; default one of the environment's settings.
    :returns: the very same client.
    """
    wrap_client(openai_client, Recorder(session, client), _reader_for)
    return openai_client


def undo(openai_client: C) -> C:
    """Record nothing of that client any more. It is as it was before it was wrapped."""
    unwrap_client(openai_client)
    return openai_client


def _reader_for(path: str) -> Reader | None:
    return next((reader for end, reader in _READERS.items() if path.endswith(end)), None)
