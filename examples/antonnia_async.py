"""The Conversations API for asyncio: a session, a message, an answer, a search; and many contacts at once.

It brings a local server along, so that it runs anywhere. With the real service, only token and address differ.
"""

import asyncio
from collections.abc import AsyncIterator

from mindlytics.antonnia import AsyncConversations
from mindlytics.antonnia.types import Message, MessageContentText, Session
from mindlytics.server.run import LocalServer


async def ask(conversations: AsyncConversations, contact: str, text: str) -> list[Message]:
    session: Session = await conversations.sessions.create(
        contact_id=contact, contact_name=contact.title(), metadata={"priority": "high"}
    )
    await conversations.sessions.messages.create(
        session_id=session.id, content=MessageContentText(type="text", text=text), role="user"
    )
    await conversations.sessions.reply(session_id=session.id)
    return await conversations.sessions.messages.search(session_id=session.id, limit=10)


async def contacts(conversations: AsyncConversations) -> AsyncIterator[str]:
    async for session in conversations.sessions.iter(metadata={"priority": "high"}, page_size=2):
        yield session.contact_id


async def main(base_url: str) -> None:
    async with AsyncConversations(token="any", base_url=base_url) as conversations:
        for message in await ask(conversations, "ada", "Hello, I need help with my account"):
            print(f"{message.role}: {message.content.words}")
        await asyncio.gather(*(ask(conversations, name, "Hello!") for name in ("grace", "alan", "edsger")))
        print(sorted([contact async for contact in contacts(conversations)]))


if __name__ == "__main__":
    with LocalServer() as server:
        asyncio.run(main(f"{server.url}/conversations/v2"))
