"""Live events of all sessions of a project, through the client."""

import asyncio

from mlsdk import Client, MLEvent


async def main() -> None:
    ended = asyncio.Event()
    heard: list[str] = []

    async def on_event(event: MLEvent) -> None:
        heard.append(f"{event.session_id} {event.event}")
        if heard.count("live-2 Session Ended") and heard.count("live-3 Session Ended"):
            ended.set()

    client = Client()
    await client.start_listening(on_event=on_event)
    for name in ("live-2", "live-3"):
        session = client.create_session(session_id=name, id="ada")
        await session.track_event(event="Bought", properties={"of": name})
        await session.end_session()
        await session.flush()
    await asyncio.wait_for(ended.wait(), 30)
    await client.stop_listening()
    print("\n".join(heard))


asyncio.run(main())
