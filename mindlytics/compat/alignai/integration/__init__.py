"""The memories of that package for LangChain and LlamaIndex, which record what is said: a module for each framework."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from ....align import AlignAI
from ..utils import CustomProperties


class UserInfo(TypedDict, total=False):
    """Who the user is, see :meth:`mindlytics.align.AlignAI.identify_user`."""

    display_name: str | None
    email: str | None
    ip: str | None
    country_code: str | None
    create_time: datetime | None
    custom_properties: CustomProperties | None


def begin(client: AlignAI, session_id: str, user_id: str, assistant_id: str, user_info: UserInfo | None) -> None:
    """Open a session, and identify its user if something is known of them."""
    client.open_session(session_id, user_id, assistant_id)
    if user_info:
        client.identify_user(user_id, **user_info)
