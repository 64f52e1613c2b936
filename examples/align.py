"""Align AI: its own calls first, then a session that is recorded for it and for Mindlytics at once.

It brings a local server along, so that it needs no account and no network. In a program of yours, ALIGNAI_API_KEY,
ALIGNAI_PROJECT_ID, MLSDK_API_KEY and MLSDK_PROJECT_ID in the environment take the place of the arguments.
"""

from mindlytics import Client, HTTPClient
from mindlytics.align import ROLE_ASSISTANT, ROLE_USER, AlignAI
from mindlytics.server.run import LocalServer

with LocalServer() as server:
    with AlignAI("support", "any", server.url) as align:
        align.identify_user("ada", display_name="Ada", country_code="GB")
        align.open_session("chat-1", "ada", assistant_id="parcel-bot", custom_properties={"channel": "web"})
        align.create_message("chat-1", 1, ROLE_USER, "Where is my parcel?")
        align.create_message("chat-1", 2, ROLE_ASSISTANT, "It arrives tomorrow before noon.")
        align.create_message_feedback("chat-1", 2, "thumbs_up")
        align.close_session("chat-1")
        print(f"Align AI: {align.flush().delivered} events delivered")

    both = Client(
        api_key="any",
        project_id="shop",
        server_endpoint=server.url,
        destinations=[AlignAI("support", "any", server.url)],
    )
    with both, both.create_session(session_id="chat-2", id="ada") as session:
        session.track_conversation_turn(user="And the other one?", assistant="On Friday.", properties={"parcels": 2})
        session.track_feedback("thumbs_down", turn=1)
        session.flush()
        for name, stats in both.stats_of_each().items():
            print(f"{name}: {stats.delivered} of {stats.accepted} events delivered")

    with HTTPClient(api_key="any", project_id="support", server_endpoint=server.url) as http:
        for message in http.send_request(method="GET", url="/bc/v1/db/messages/find"):
            print(f"{message['session_id']} {message['index']} {message['role']}: {message['content']}")
