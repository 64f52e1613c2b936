"""A cron job: it does its work, records it, and ends. Nothing is flushed or closed; the exit delivers."""

from mindlytics import Client

OVERDUE = {"ada": 3, "grace": 12, "alan": 1}

client = Client()

for user, days in OVERDUE.items():
    session = client.create_session(id=user, attributes={"job": "reminders"})
    session.track_conversation_turn(
        user="",
        assistant=f"Your book is {days} days late.",
        assistant_id="reminder-bot",
        cost=0.0001,
        properties={"days": days},
    )
    session.end_session()

print(f"{len(OVERDUE)} reminders sent")
