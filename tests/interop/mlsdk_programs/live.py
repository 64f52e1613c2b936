"""Live events of a session: what is recorded comes back, with what the service adds, until the session has ended."""

import asyncio

from mlsdk import Client, MLEvent


async def main() -> None:
    heard: list[str] = []
    problems: list[str] = []

    async def on_event(event: MLEvent) -> None:
        heard.append(f"{event.session_id} {event.conversation_id} {event.event} {event.properties}")

    async def on_error(error: Exception) -> None:
        problems.append(str(error))

    client = Client()
    session = client.create_session(
        session_id="live-1", conversation_id="talk-1", id="ada", on_event=on_event, on_error=on_error
    )
    await session.track_conversation_turn(user="Hello", assistant="Hi", properties={"n": 1})
    await session.track_event(event="Rated", properties={"stars": 5})
    await session.user_alias(id="somebody", previous_id="nobody")
    await session.end_session(attributes={"resolved": True})
    await session.flush()
    print("\n".join(heard), problems, sep="\n")


asyncio.run(main())
