"""Conversations of the past: every id, time and attribute is given, and nothing is left to the moment of the import."""

from datetime import datetime, timedelta, timezone

from mindlytics import Client, TokenBasedCost

BEGAN = datetime(2025, 4, 3, 9, 0, tzinfo=timezone.utc)


def after(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


# An import may wait and must not lose: where too much is pending, a call waits for room.
with Client(on_full="block", block_timeout=60) as client:
    session = client.create_session(session_id="call-1843", id="ada")
    session.start_session(timestamp=after(0), attributes={"channel": "phone", "region": "eu"})

    # Two conversations at once, told apart by their ids.
    order = session.start_conversation(
        conversation_id="call-1843-order", timestamp=after(1), properties={"topic": "order"}, attributes={"line": 1}
    )
    refund = session.start_conversation(
        conversation_id="call-1843-refund", timestamp=after(2), properties={"topic": "refund"}, attributes={"line": 2}
    )
    session.track_conversation_turn(
        conversation_id=order,
        timestamp=after(3),
        user="Is it on its way?",
        assistant="Since this morning.",
        usage=TokenBasedCost(model="gpt-4o-mini", prompt_tokens=12, completion_tokens=5),
    )
    session.track_conversation_turn(
        conversation_id=refund, timestamp=after(4), user="And the old one?", assistant="I look it up.", cost=0.002
    )
    session.track_function_call(
        conversation_id=refund,
        timestamp=after(4.5),
        name="find_refund",
        args='{"order": 1790}',
        result='{"state": "paid"}',
        runtime=830,
    )
    session.track_conversation_turn(
        conversation_id=refund, timestamp=after(5), user="", assistant="It was paid on Monday.", cost=0.001
    )

    # What is given at the end is merged into what was given at the start.
    session.end_conversation(conversation_id=refund, timestamp=after(6), properties={"settled": True})
    session.end_conversation(conversation_id=order, timestamp=after(7), attributes={"rating": 4})
    session.end_session(timestamp=after(8), attributes={"agent": "bot-7"})

    result = client.flush()

print(f"{result.delivered} delivered, {result.refused} refused, {result.dropped} dropped")
