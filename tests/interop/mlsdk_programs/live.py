"""Live events of a session: what is recorded comes back, with what the service adds, until the session has ended."""

import asyncio

from mlsdk import Client, Cost, MLEvent, TokenBasedCost


async def main() -> None:
    heard: list[str] = []
    problems: list[str] = []

    async def on_event(event: MLEvent) -> None:
        heard.append(
            f"{event.session_id} {event.conversation_id} {event.event} {event.properties} {event.user_traits or {}}"
        )

    async def on_error(error: Exception) -> None:
        problems.append(str(error))

    client = Client()
    session = client.create_session(
        session_id="live-1", conversation_id="talk-1", device_id="phone", on_event=on_event, on_error=on_error
    )
    await session.track_event(event="Chat Opened", properties={"from": "cart"})
    await session.user_identify(id="ada", traits={"plan": "pro"})
    await session.track_conversation_turn(
        user="Where is my parcel?",
        assistant="It arrives tomorrow.",
        assistant_id="parcel-bot",
        usage=TokenBasedCost(model="gpt-4o", prompt_tokens=15, completion_tokens=19),
        properties={"n": 1},
    )
    await session.track_function_call(name="track_parcel", args='{"id": 7}', result="tomorrow", runtime=12)
    await session.track_conversation_usage(usage=Cost(cost=0.25))
    await session.user_alias(id="somebody", previous_id="nobody")
    await session.user_alias(id="ada@mail.example", previous_id="ada")
    await session.track_event(event="Rated", properties={"stars": 5})
    await session.end_session(attributes={"resolved": True})
    await session.flush()
    print("\n".join(heard), problems, sep="\n")


asyncio.run(main())
