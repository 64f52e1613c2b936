"""The calls about agents."""

from __future__ import annotations

from typing import Generic, TypeVar

from .calls import PAGE, Call, Each, Many, One, R, Resource, given, key, one_of, path, text, whole
from .exceptions import ValidationError
from .types import Agent, AgentType

Done = TypeVar("Done")
"""Nothing, as a face hands it back."""


class BaseAgents(Resource, Generic[One, Done, Many, Each]):
    """Who answers in sessions."""

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

        :param assistant_id: the assistant that speaks for it; required where ``type`` is ``"ai"``.
        :param profile_id: the person's profile; required where ``type`` is ``"human"``.
        :param idempotency_key: a text, unique to this agent; with it the call is tried again like a read.
        """
        one_of("type", type, "ai", "human")
        if type == "ai" and not assistant_id:
            raise ValidationError('assistant_id must be given where type is "ai"')
        if type == "human" and not profile_id:
            raise ValidationError('profile_id must be given where type is "human"')
        body = {"name": text("name", name), "type": type, **given(assistant_id=assistant_id, profile_id=profile_id)}
        return self._send(Call("POST", "/agents", Agent, body, key=key(idempotency_key)))

    def get(self, agent_id: str) -> One:
        """The agent of this id.

        :raises NotFoundError: there is none.
        """
        return self._send(Call("GET", path("/agents/{agent_id}", agent_id=agent_id), Agent, repeatable=True))

    def update(
        self, agent_id: str, name: str | None = None, assistant_id: str | None = None, profile_id: str | None = None
    ) -> One:
        """Change an agent. What is None stays as it is."""
        where = path("/agents/{agent_id}", agent_id=agent_id)
        fields = given(name=name, assistant_id=assistant_id, profile_id=profile_id)
        return self._send(Call("PATCH", where, Agent, {"fields": fields}, repeatable=True))

    def delete(self, agent_id: str) -> Done:
        """Remove an agent; its sessions go on without one.

        :raises NotFoundError: there is none.
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
        """The agents to which all of this applies.

        :param limit: so many at most, from 1.
        :param offset: so many are passed over.
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
        """The same as :meth:`search`, one by one and without an end: the next page is asked for when it is needed.

        A loop that changes whether an agent is found passes others over, since pages are found by their offset: make a
        ``list`` of all first.

        :param page_size: agents of one request.
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
        body = given(
            type=type,
            assistant_id=assistant_id,
            profile_id=profile_id,
            limit=whole("limit", limit, 1),
            offset=whole("offset", offset, 0),
        )
        return Call("POST", "/agents/search", list[Agent], body, repeatable=True)
