"""A month of generated conversations for ``mindlytics demo --large``: the same ones each time, up to the present.

``demonstration.py`` records them. Here is what people say, and when.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from .. import Client
from ..usage import TokenBasedCost

CONVERSATIONS = 600
DAYS = 30
SEED = 7
MODEL = "gpt-4o-mini"
TICK = timedelta(milliseconds=1)


class Topic(NamedTuple):
    """What people want: the questions, the function that is called for it, its argument, and both ends."""

    questions: tuple[str, ...]
    function: str
    argument: str
    good: str
    bad: str


TOPICS = (
    Topic(
        ("Where is my parcel {n}?", "Where is my order {n}? It should have come yesterday."),
        "find_parcel",
        "parcel",
        "Parcel {n} is on its way. It arrives tomorrow before noon.",
        "Unfortunately I cannot find a parcel with this number.",
    ),
    Topic(
        ("I want to return order {n}.", "I need to return the shoes of order {n}, they are too small."),
        "start_return",
        "order",
        "Done. The label for order {n} is in your mailbox.",
        "Sorry, order {n} is older than thirty days, so I cannot take it back.",
    ),
    Topic(
        ("I have to move my appointment {n}.", "Can you move my appointment {n} to next week?"),
        "move_appointment",
        "appointment",
        "Your appointment is on Monday at 8:40 now.",
        "Unfortunately there is no free time next week.",
    ),
    Topic(
        ("Please cancel my subscription {n}.", "I want to cancel contract {n}."),
        "cancel_contract",
        "contract",
        "It ends with this month. You get a confirmation by mail.",
        "I am afraid I cannot cancel it here. Please call us.",
    ),
    Topic(
        ("How do I reset my password?", "I forgot my password for account {n}."),
        "send_reset",
        "account",
        "I sent you a link. It works for an hour.",
        "Sorry, I do not know this account.",
    ),
    Topic(
        ("أين طلبي رقم {n}؟", "متى يصل الطرد {n}؟"),
        "find_parcel",
        "parcel",
        "الطرد {n} في الطريق، ويصل غدًا قبل الظهر.",
        "عذرًا، لا أجد هذا الرقم.",
    ),
    Topic(
        ("¿Dónde está mi paquete {n}?", "Quiero saber cuándo llega el pedido {n}."),
        "find_parcel",
        "parcel",
        "El paquete {n} está en camino. Llega mañana antes del mediodía.",
        "Lo siento, no encuentro ese número.",
    ),
)
WEIGHTS = (30, 18, 16, 10, 14, 6, 6)

THANKS = ("Great, thank you!", "Perfect, that was quick.", "Thanks, that is very helpful.")
COMPLAINTS = ("That is terrible. I am really disappointed.", "This is awful, I have waited for weeks.", "Useless.")
NAMES = ("ada", "bruno", "chen", "dana", "emre", "farah", "greta", "hiro", "ines", "jonas", "kofi", "lena", "maya")


def record(client: Client, now: datetime, conversations: int) -> None:
    """Record the conversations of the month before ``now`` through a client."""
    random = Random(SEED)
    for start in sorted(_starts(random, now, conversations)):
        _record_one(client, random, start)


def _starts(random: Random, now: datetime, conversations: int) -> Iterator[datetime]:
    """When they start: by day more than by night, and more and more over the month."""
    for _ in range(conversations):
        day = DAYS * random.random() ** 1.4
        hour = min(max(random.gauss(14, 4), 0), 23.9)
        start = (now - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hour)
        yield start if start < now - timedelta(minutes=10) else start - timedelta(days=1)


def _record_one(client: Client, random: Random, start: datetime) -> None:
    (topic,) = random.choices(TOPICS, WEIGHTS)
    number = str(random.randrange(10_000, 99_999))
    works, fails = random.random() < 0.78, random.random() < 0.04
    user = f"{random.choice(NAMES)}.{random.randrange(9)}"
    session = client.create_session(id=user, session_id=f"demo-{random.getrandbits(64):016x}")
    session.start_session(timestamp=start, attributes={"channel": random.choice(("web", "app", "phone"))})
    at = start

    def turn(said: str, answer: str, **properties: str) -> None:
        nonlocal at
        read, written = 120 + len(said) * random.randrange(3, 9), max(len(answer) // 3, 1)
        latency = round(random.lognormvariate(6.6, 0.5))
        at += timedelta(seconds=random.randrange(8, 50), milliseconds=latency)
        session.track_conversation_turn(
            user=said,
            assistant=answer,
            usage=TokenBasedCost(MODEL, read, written),
            properties={"latency": latency, **properties},
            timestamp=at,
        )

    if random.random() < 0.1:
        turn("Hello!", "Good morning. How can I help you?")
    question = random.choice(topic.questions).format(n=number)
    if fails:
        turn(question, "", error="RateLimitError")
    else:
        runtime = round(random.lognormvariate(5, 0.8))
        result = {"ok": True} if works else {"error": "not found"}
        session.track_function_call(
            name=topic.function,
            args=json.dumps({topic.argument: number}),
            result=json.dumps(result),
            runtime=runtime,
            timestamp=at + timedelta(seconds=6, milliseconds=runtime),
        )
        turn(question, (topic.good if works else topic.bad).format(n=number))
    if random.random() < 0.6:
        happy = works and not fails
        turn(
            random.choice(THANKS if happy else COMPLAINTS), "You are welcome." if happy else "I am sorry to hear that."
        )
    if random.random() < 0.2:
        session.track_feedback("thumbs_up" if works and not fails else "thumbs_down", timestamp=at + TICK)
    session.end_session(timestamp=at + 2 * TICK)
