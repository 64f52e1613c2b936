"""What a program may do with the values that it makes and gets."""

import asyncio
import json

from mlsdk import APIResponse, Client, Cost, MLEvent, TokenBasedCost


async def main() -> None:
    client = Client()
    session = client.create_session(session_id="objects", conversation_id="values", id="ada")
    session.note = "a session takes attributes"
    print(session.note, session.project_id == client.config.project_id, session.history, session.errors)
    print(sorted(client.config.model_dump()), client.config.debug, client.api_key, client.debug)
    print(sorted(session.http_client.headers), session.http_client.project_id == session.client.project_id)
    usage = TokenBasedCost(model="m", prompt_tokens=1, completion_tokens=2, total_tokens=3)
    usage.prompt_tokens += 4
    print(usage.model_dump(), usage.model_dump_json(), "model" in TokenBasedCost.model_fields)
    print(usage.model_copy(update={"model": "n"}).model_dump(exclude={"prompt_tokens"}))
    cost = Cost.model_validate({"cost": 0.5})
    cost.cost = 0.25
    print(cost.model_dump(), cost == Cost(cost=0.25), Cost.model_validate_json('{"cost": 2.5}').cost)
    await session.track_conversation_turn(user="a", assistant="b", usage=usage)
    await session.track_conversation_usage(usage=cost)
    answer = APIResponse.model_validate({"errored": True, "status": 400, "message": "no", "more": 1})
    print(
        repr(answer), answer.model_dump(), json.loads(answer.model_dump_json(indent=2)), answer.model_copy() == answer
    )
    event = MLEvent(session_id="s", timestamp="2025-04-03T07:35:10Z", event="E", properties={"a": 1}, new_field=1)
    print(json.dumps(event.model_dump(exclude_none=True, exclude_defaults=True), sort_keys=True))
    print(event.model_dump(include={"properties"}), event.event_id, isinstance(event, MLEvent))
    for wrong in ({"errored": True}, {"session_id": "s"}):
        try:
            (APIResponse if "errored" in wrong else MLEvent)(**wrong)
        except (TypeError, ValueError):
            print("refused")
    await session.end_session()
    await session.flush()
    print(session.has_errors(), session.get_errors())


asyncio.run(main())
