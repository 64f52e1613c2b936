"""alignai: protobuf, a message at a time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from alignai import AlignAI
from alignai.constants import ROLE_ASSISTANT, ROLE_USER

from ..turns import Turn


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    client = AlignAI(api_key="key", project_id="project", api_host=url)
    numbers = count(1)

    def record(turn: Turn) -> None:
        number = next(numbers)
        if number % 2:
            client.create_message("session", number, ROLE_USER, turn.user)
        else:
            client.create_message("session", number, ROLE_ASSISTANT, turn.assistant)

    return record, lambda: client.close(timeout_seconds=300)
