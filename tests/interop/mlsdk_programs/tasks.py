"""Calls as tasks of their own, and from another thread."""

import asyncio

from mlsdk import Client


async def main() -> None:
    session = Client().create_session(session_id="tasks-1", conversation_id="talk-1", id="ada")
    tasks = [asyncio.create_task(session.track_event(event=f"E{n}", properties={"n": n})) for n in range(5)]
    await asyncio.gather(*tasks, session.track_conversation_turn(user="Hello", assistant="Hi"))
    await asyncio.wait_for(session.track_event(event="Last", properties={}), 10)
    loop = asyncio.get_running_loop()

    def elsewhere() -> None:
        asyncio.run_coroutine_threadsafe(session.end_session(), loop).result(10)

    await asyncio.to_thread(elsewhere)
    await session.flush()


asyncio.run(main())
