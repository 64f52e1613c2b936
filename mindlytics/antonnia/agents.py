"""The calls about agents."""

from __future__ import annotations

from typing import Generic, TypeVar

from ..values import present
from .calls import PAGE, Call, Each, Many, One, R, Resource, key, one_of, path, text, whole
from .exceptions import ValidationError
from .types import Agent, AgentType

Done = TypeVar("Done")
"""None, or an awaitable of it."""


class BaseAgents(Resource, Generic[One, Done, Many, Each]):
    """The agents, who answer in sessions."""

    def create(
        self,
        name: str,
        type: AgentType,
        assistant_id: str | None = None,
        profile_id: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> One:
        """Add an agent.

        :param assistant_id: the assistant that speaks for it. Required if ``type`` is ``"ai"``.
        :param profile_id: the person's profile. Required if ``type`` is ``"human"``.
        :param idempotency_key: a text, unique to this agent. With it the call is retried like a read.
        """
        one_of("type", type, "ai", "human")
        if type == "ai" and not assistant_id:
            raise ValidationError('assistant_id is required if type is "ai"')
        if type == "human" and not profile_id:
            raise ValidationError('profile_id is required if type is "human"')
        body = {
            "name": text("name", name),
            "type": type,
            **present(assistant_id=assistant_id, profile_id=profile_id),
        }
        return self._send(Call("POST", "/agents", Agent, body, key=key(idempotency_key)))

    def get(self, agent_id: str) -> One:
        """Get the agent with this id.

        :raises NotFoundError: the agent does not exist.
        """
        return self._send(Call("GET", path("/agents/{agent_id}", agent_id=agent_id), Agent, repeatable=True))

    def update(
        self, agent_id: str, name: str | None = None, assistant_id: str | None = None, profile_id: str | None = None
    ) -> One:
        """Change an agent. Arguments that are None leave their field unchanged."""
        where = path("/agents/{agent_id}", agent_id=agent_id)
        fields = present(name=name, assistant_id=assistant_id, profile_id=profile_id)
        return self._send(Call("PATCH", where, Agent, {"fields": fields}, repeatable=True))

    def delete(self, agent_id: str) -> Done:
        """Remove an agent. Its sessions go on without one.

        :raises NotFoundError: the agent does not exist.
        """
        return self._send(Call("DELETE", path("/agents/{agent_id}", agent_id=agent_id), None, repeatable=True))

    def search(
        self,
        type: AgentType | None = None,
        assistant_id: str | None = None,
        profile_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Many:
        """Find the agents that match all arguments.

        :param limit: how many to return at most, from 1.
        :param offset: how many to skip.
        """
        return self._send(self._search(type, assistant_id, profile_id, limit, offset))

    def iter(
        self,
        type: AgentType | None = None,
        assistant_id: str | None = None,
        profile_id: str | None = None,
        *,
        page_size: int = PAGE,
    ) -> Each:
        """Iterate over all that :meth:`search` finds. It requests the next page when the loop gets there.

        If your loop changes which agents match, make a ``list`` first. Pages go by offset, so the loop would skip some.

        :param page_size: agents per request.
        """
        whole("page_size", page_size, 1)
        return self._walk(self._search(type, assistant_id, profile_id, page_size, 0))

    def _search(
        self,
        type: AgentType | None,
        assistant_id: str | None,
        profile_id: str | None,
        limit: int | None,
        offset: int | None,
    ) -> Call[R]:
        if type is not None:
            one_of("type", type, "ai", "human")
        body = present(
            type=type,
            assistant_id=assistant_id,
            profile_id=profile_id,
            limit=whole("limit", limit, 1),
            offset=whole("offset", offset, 0),
        )
        return Call("POST", "/agents/search", list[Agent], body, repeatable=True)
