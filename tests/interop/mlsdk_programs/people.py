"""Who it is: a device that becomes a user, traits, aliases, inside of sessions and outside."""

import asyncio

from mlsdk import Client


async def main() -> None:
    client = Client()
    await client.user_identify(id="JJ@mail.example", traits={"name": "Jacob", "age": 30, "vip": True, "score": 1.5})
    await client.user_identify(id="JJ@mail.example", traits={"age": 31})
    await client.user_alias(id="jjacob", previous_id="JJ@mail.example")
    await client.user_identify(device_id="kiosk", traits={"floor": 2})

    session = client.create_session(session_id="login-1", device_id="browser-7")
    await session.track_event(event="Looked Around", properties={})
    await session.user_identify(id="zoe", traits={"plan": "pro"})
    await session.track_event(event="Bought", properties={"sum": 9.5})
    await session.user_alias(id="zoe@mail.example", previous_id="zoe")
    await session.track_event(event="Left", properties={})
    await session.end_session()
    await session.flush()

    known = client.create_session(session_id="login-2", device_id="browser-8")
    await known.user_identify(id="jjacob", traits={"seen": True})
    await known.end_session()
    await known.flush()

    try:
        await client.user_alias(id="somebody", previous_id="nobody")
    except Exception as error:
        print("no alias:", "nobody" in str(error))


asyncio.run(main())
