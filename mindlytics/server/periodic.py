"""What a server does again and again while it runs, beside answering requests."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from ..errors import MindlyticsError
from .unavailable import Stopping

SHARE = 20
"""How often the server checks within a time that it keeps."""

logger = logging.getLogger("mindlytics.server")


class Periodic(ABC):
    """A check that is repeated until the server stops. If one fails, a warning is logged, and the next makes up for it.

    :param pause: seconds before each check.
    :param warning: what is logged if one fails, before "at present" and the cause.
    :param at_once: whether there is no pause before the first one.
    """

    def __init__(self, pause: float, warning: str, *, at_once: bool = False) -> None:
        self._pause = pause
        self._warning = warning
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    def run_along(self, app: web.Application) -> None:
        """Run as long as the application does."""
        app.on_startup.append(self.start)
        app.on_cleanup.append(self.stop)

    async def start(self, _: web.Application) -> None:
        """Start checking."""
        self._task = asyncio.create_task(self._run())

    async def stop(self, _: web.Application) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def check(self) -> None:
        """Check once."""

    async def _run(self) -> None:
        await asyncio.sleep(0 if self._at_once else self._pause)
        while True:
            try:
                await self.check()
            except Stopping:
                return
            except (MindlyticsError, SQLAlchemyError) as error:
                logger.warning("%s at present: %s", self._warning, getattr(error, "orig", error))
            await asyncio.sleep(self._pause)
