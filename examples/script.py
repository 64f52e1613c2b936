"""A plain script: a few events, then its end, with a look at what became of them.

Like all examples it is configured by MLSDK_API_KEY, MLSDK_PROJECT_ID and MLSDK_SERVER_BASE in the environment.
"""

from mindlytics import Client, TokenBasedCost

with Client() as client:
    with client.create_session(id="ada", attributes={"channel": "terminal"}) as session:
        session.user_identify(traits={"plan": "pro", "seats": 3})
        session.track_conversation_turn(
            user="Where is my parcel?",
            assistant="It arrives tomorrow before noon.",
            assistant_id="parcel-bot",
            usage=TokenBasedCost(model="gpt-4o-mini", prompt_tokens=41, completion_tokens=9),
        )
        session.track_function_call(name="track_parcel", args='{"id": 7}', result='{"due": "2026-05-02"}', runtime=12.5)
        session.track_event(event="Parcel Rescheduled", properties={"days": 2, "paid": False})

    # The session has ended and was waited for.
    for error in session.get_errors():
        print(f"not delivered: {error.message}")
    stats = client.stats()
    print(f"{stats.delivered} of {stats.accepted} events delivered")
