"""What was written is read back through the client for raw requests."""

import asyncio
import json

from mlsdk import Client, HTTPClient


async def main() -> None:
    session = Client().create_session(session_id="read-1", conversation_id="talk-1", id="ada")
    await session.track_conversation_turn(user="Hello", assistant="Hi")
    await session.end_session()
    await session.flush()

    http = HTTPClient()
    found = await http.send_request(
        method="GET",
        url="/bc/v1/db/sessions/findOne",
        data={"filter": json.dumps({"session_id": "read-1"}), "include": json.dumps(["events", "user"])},
    )
    print(found["user"]["id"], [event["event"] for event in found["events"]])
    print(await http.send_request(method="GET", url="/bc/v1/db/users/findOne", data={"filter": '{"id":"nobody"}'}))
    wrong = await http.send_request(method="GET", url="/bc/v1/db/things/find", data={})
    print(wrong["errored"], wrong["status"], "things" in wrong["message"])
    taken = await http.send_request(
        method="POST",
        url="/bc/v1/events/queue",
        data={"type": "track", "event": "Raw", "session_id": "read-2", "user_id": "ada"},
    )
    print(taken)


asyncio.run(main())
