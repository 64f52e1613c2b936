"""Live events: what the service makes of a session, while it happens.

Like all examples it is configured by MLSDK_API_KEY, MLSDK_PROJECT_ID and MLSDK_SERVER_BASE in the environment.
"""

import asyncio

from mindlytics import AsyncClient, MLEvent


async def show(event: MLEvent) -> None:
    print(f"{event.event:<22} {event.user_id or ''}")


async def complain(error: Exception) -> None:
    print(f"something is wrong: {error}")


async def main() -> None:
    async with AsyncClient() as client:
        session = client.create_session(id="ada", on_event=show, on_error=complain)
        async with session:
            await session.track_conversation_turn(
                user="I would like to book a flight to New York.",
                assistant="With pleasure! When would you like to arrive?",
            )
            await session.track_event(event="Offer Shown", properties={"airline": "Northern", "price": 412.5})
        # Everything has arrived, and has come back.


asyncio.run(main())
