"""A cron job: it does its work, records it, and ends.

The exit alone would deliver too, but it gives a service that is away no more than a second or two. A job has time: it
closes the client with a time-out of its own, and says what was lost.
"""

import sys

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

outcome = client.close(timeout=60)
if outcome.dropped or outcome.refused:
    sys.exit(f"some of it was not recorded: {client.get_errors()[-1].message}")
