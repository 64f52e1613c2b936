"""A stateless service: the ids come with each request, and a session object lives as long as one."""

import asyncio

from mlsdk import Client


async def request(user: str, turn: int, last: bool) -> None:
    client = Client()
    session = client.create_session(session_id=f"visit-{user}", conversation_id=f"talk-{user}", id=user)
    try:
        await session.track_conversation_turn(user=f"question {turn}", assistant=f"answer {turn}")
        if last:
            await session.end_session()
    finally:
        await session.flush()


async def visit(user: str) -> None:
    for turn in range(3):
        await request(user, turn, turn == 2)


async def main() -> None:
    for user in ("ada", "bob"):
        await visit(user)


asyncio.run(main())
