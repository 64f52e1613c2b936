"""The past, with its own times."""

import asyncio

from mlsdk import Client


async def main() -> None:
    session = Client().create_session(session_id="past-1", conversation_id="talk-1", id="ada")
    await session.user_identify(timestamp="2025-04-03T07:35:10.0000Z", id="ada", traits={"store": "135"})
    await session.track_event(timestamp="2025-04-03T09:35:35+02:00", event="Start Chat", properties={})
    await session.track_conversation_turn(timestamp="2025-04-03T07:36:03.5Z", user="Hello", assistant="Hi")
    await session.track_conversation_turn(timestamp="2025-04-03T07:36:30Z", user="Bye", assistant="Bye")
    await session.end_conversation(timestamp="2025-04-03T07:36:40.0000Z", properties={"device": "browser"})
    await session.end_session(timestamp="2025-04-03T07:37:15.000Z", attributes={"resolved": True})
    await session.flush()


asyncio.run(main())
