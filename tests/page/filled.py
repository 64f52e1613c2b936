"""What the pages of these tests show: a month of generated conversations, and a few that are odd."""

from __future__ import annotations

from datetime import datetime, timedelta

from mindlytics import Client
from mindlytics.cli import month
from mindlytics.server.run import LocalServer
from mindlytics.values import UTC

CONVERSATIONS = 120
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{7*7}}\u202eevil\u202c"
HUGE = "word " * 190_000
HEBREW = "איפה החבילה שלי?"
JAPANESE = "荷物はどこですか?"


def fill(server: LocalServer) -> None:
    """Fill a server."""
    now = datetime.now(UTC)
    with Client(api_key="any", project_id="shop", server_endpoint=server.url, max_batch_bytes=2**20) as client:
        month.record(client, now - timedelta(hours=1), CONVERSATIONS)
        odd(client, now)
        shown(client, now - timedelta(minutes=4))
    server.settle(60)


def odd(client: Client, now: datetime) -> None:
    """Conversations that a page might stumble over."""
    hostile = client.create_session(id=HOSTILE, session_id="hostile", attributes={"note": HOSTILE})
    hostile.start_session(timestamp=now - timedelta(days=40))
    hostile.track_conversation_turn(user=HOSTILE, assistant=HOSTILE, properties={"model": HOSTILE, "error": HOSTILE})
    hostile.track_function_call(name=HOSTILE[:90], args=HOSTILE, result=HOSTILE)
    hostile.track_event(event=HOSTILE[:90], properties={HOSTILE[:90]: HOSTILE})
    hostile.track_feedback("thumbs_down", comment=HOSTILE)
    long = client.create_session(id="long", session_id="long")
    long.start_session(timestamp=now - timedelta(days=41))
    for number in range(450):
        at = now - timedelta(days=41) + timedelta(seconds=number)
        long.track_conversation_turn(user=f"Question {number}.", assistant="", timestamp=at)
    huge = client.create_session(id="huge", session_id="huge")
    huge.start_session(timestamp=now - timedelta(days=42))
    huge.track_conversation_turn(user=HUGE, assistant="a" * 20_000, timestamp=now - timedelta(days=42))
    hebrew = client.create_session(id="hebrew", session_id="hebrew")
    hebrew.start_session(timestamp=now - timedelta(days=43))
    hebrew.track_conversation_turn(user=HEBREW, assistant=JAPANESE, timestamp=now - timedelta(days=43))


def shown(client: Client, start: datetime) -> None:
    """The conversation on the pictures."""

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    session = client.create_session(id="dana", session_id="shown")
    session.start_session(timestamp=start, attributes={"channel": "web"})
    session.user_identify(traits={"plan": "pro"}, timestamp=start)
    session.track_conversation_turn(
        user="Where is my parcel? I have waited for a week.",
        assistant="I am sorry about that. What is its number?",
        usage={"model": "gpt-4o-mini", "prompt_tokens": 212, "completion_tokens": 14},
        properties={"latency": 640},
        timestamp=at(20),
    )
    session.track_function_call(
        name="find_parcel",
        args={"parcel": "40718"},
        result={"status": "in transit", "arrives": "tomorrow"},
        runtime=180,
        timestamp=at(48),
    )
    session.track_conversation_turn(
        user="40718. Thanks, you are very helpful!",
        assistant="It is on its way. It arrives tomorrow before noon.",
        usage={"model": "gpt-4o-mini", "prompt_tokens": 287, "completion_tokens": 21},
        properties={"latency": 1120},
        timestamp=at(50),
    )
    session.track_feedback("thumbs_up", turn=2, comment="quick", timestamp=at(60))
    session.end_session(timestamp=at(61))
