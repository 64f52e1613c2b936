"""The client, with the attributes of that package's."""

from __future__ import annotations

import logging

from ... import align
from ...annotations import Unpack
from ...settings import Options
from .config import Config


class AlignAI(align.AlignAI):
    """A :class:`mindlytics.align.AlignAI` that has the attributes of that client.

    :ivar config: how events are delivered.
    :ivar logger: where it logs.
    """

    logger = logging.getLogger("mindlytics")

    def __init__(
        self,
        project_id: str | None = None,
        api_key: str | None = None,
        api_host: str | None = None,
        config: align.Config | None = None,
        **settings: Unpack[Options],
    ) -> None:
        super().__init__(project_id or None, api_key or None, api_host or None, config, **settings)
        self.config = Config() if config is None else config

    def _pickled(self) -> dict[str, object]:
        return {**super()._pickled(), "config": self.config}

    @property
    def project_id(self) -> str:
        """The project that events belong to."""
        return self.settings.project_id

    @property
    def api_key(self) -> str:
        """The API key."""
        return self.settings.api_key.reveal()

    @property
    def api_host(self) -> str:
        """The service's address."""
        return self.settings.server_endpoint
