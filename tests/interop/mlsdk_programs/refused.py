"""A key that is not taken: nothing raises, every loss is told."""

import asyncio

from mlsdk import APIResponse, Client


async def main() -> None:
    client = Client(api_key="not-the-key")
    session = client.create_session(session_id="refused-1", id="ada")
    for number in range(3):
        await session.track_event(event=f"E{number}", properties={})
    await session.flush()
    errors = session.get_errors()
    print(session.has_errors(), [(error.errored, error.status, "another API key" in error.message) for error in errors])
    print(all(isinstance(error, APIResponse) for error in errors))
    try:
        await client.user_identify(id="ada")
    except Exception as error:
        print("another API key" in str(error))


asyncio.run(main())
