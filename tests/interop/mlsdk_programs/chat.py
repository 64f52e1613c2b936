"""A whole chat: a conversation, its turns, what they cost, a function, an end."""

import asyncio

from mlsdk import Client, Cost, TokenBasedCost


async def main() -> None:
    client = Client()
    session = client.create_session(session_id="chat-1", conversation_id="talk-1", id="ada", device_id="phone")
    await session.track_event(event="Chat Opened", properties={"from": "cart", "items": 3, "vip": True, "sum": 9.5})
    await session.track_conversation_turn(
        user="Wo bleibt mein Paket? 📦",
        assistant="Es kommt morgen.",
        assistant_id="parcel-bot",
        usage=TokenBasedCost(model="gpt-4o", prompt_tokens=15, completion_tokens=19),
        properties={"language": "de"},
    )
    await session.track_function_call(
        name="track_parcel", args='{"id": 7}', result="tomorrow", runtime=12, properties={"carrier": "post"}
    )
    await session.flush_and_continue()
    await session.track_conversation_turn(user="And by noon?", assistant="Sorry, no.", usage=Cost(cost=0.003))
    await session.track_conversation_usage(
        usage=TokenBasedCost(model="gpt-4o", prompt_tokens=134, completion_tokens=237)
    )
    await session.end_conversation(properties={"solved": False})
    await session.track_event(event="Rated", properties={"stars": 4})
    await session.end_session(attributes={"resolved": True})
    await session.flush()
    print(session.has_errors(), session.get_errors())


asyncio.run(main())
