"""The names of ``antonnia.events``, the package ``antonnia-events``: what the service posts to an application.

    event = Event.model_validate(await request.json())
    if isinstance(event, MessageCreated):
        print(event.data.object.content)

For new programs, :mod:`mindlytics.antonnia.webhooks` also calls your handlers.
"""

from __future__ import annotations

from .types import *  # noqa: F403  the same names
from .types import __all__ as __all__
