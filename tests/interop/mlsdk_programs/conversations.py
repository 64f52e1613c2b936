"""Two conversations of one session at once, and one that is only ended by the session."""

import asyncio

from mlsdk import Client, Session


async def say(session: Session, conversation: str, text: str) -> None:
    await session.track_conversation_turn(conversation_id=conversation, user=text, assistant=f"about {text}")


async def main() -> None:
    session = Client().create_session(session_id="many-1", device_id="browser")
    await session.track_event(event="Start Chat", properties={"from": "shopping cart"})
    await say(session, "one", "lipstick")
    await say(session, "two", "mascara")
    await say(session, "one", "red lipstick")
    await session.track_event(event="Added", conversation_id="two", properties={"sku": "m-1"})
    await session.end_conversation(conversation_id="two")
    await session.end_conversation(conversation_id="one")
    session.conversation_id = "three"
    await session.track_conversation_turn(user="Thanks", assistant="Bye")
    await session.end_session()
    await session.flush()


asyncio.run(main())
