"""``mindlytics demo``: conversations written for it, recorded by both faces, read back from a server, and counted.

The conversations are data, at the end; what plays and shows them comes before. The local server itself is in
``server/``, the command's options in ``demo.py``.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import AsyncClient, Client, HTTPClient, MLHTTPError
from ..annotations import JsonObject
from ..delivery.account import Stats
from ..events import CONVERSATION_SUMMARY
from ..server.run import LocalServer
from ..session import BaseSession
from ..settings import Options
from ..usage import Cost, TokenBasedCost, Usage
from ..values import now
from . import month

API_KEY = PROJECT_ID = "demo"
SETTLE_SECONDS = 60.0
OPTIONS: Options = {
    "max_batch_bytes": 2 * 1024 * 1024,  # above the server's 1 MiB, so that the server is the one to refuse
    "enabled": True,
    "sample_rate": 1.0,
    "content_mode": "full",
    "trust_env": False,
}
MODEL = "gpt-4o-mini"
BLOCKING, ASYNCIO = "blocking", "asyncio"

Step = Callable[[BaseSession[Any, Any]], Any]
Loss = tuple[str, Exception]


@frozen
class Scene:
    """One person's time with one assistant: who, and the steps in their order."""

    assistant: str
    whom: dict[str, str]
    steps: Sequence[Step]


def run(console: Console, *, keep: bool, large: bool = False) -> bool:
    """Play the scenes into a server of its own and show what arrived.

    :param keep: leave the server up until SIGINT or SIGTERM.
    :param large: then record a month of generated conversations, too.
    :returns: whether the account balances.
    """
    with LocalServer() as server:
        console.print(f"A local server answers on {server.url}, with a temporary database.")
        losses: list[Loss] = []
        middle = len(SCENES) // 2
        blocking = _play_blocking(server.url, SCENES[:middle], losses)
        asynchronous = asyncio.run(_play_asyncio(server.url, SCENES[middle:], losses))
        console.print(f"{len(SCENES)} conversations were recorded, half by Client, half by AsyncClient.\n")
        with HTTPClient(server_endpoint=server.url, api_key=API_KEY, project_id=PROJECT_ID, **OPTIONS) as http:
            console.print(_table(_find(http, "sessions", include=["user"])))
            server.settle()
            console.print(_found(_find(http, "conversations", include=["events"])), markup=False, soft_wrap=True)
            stored = _find(http, "events", projection={"event_id": 1, "origin_event_id": 1})
        balances = _account(console, stored, (blocking, asynchronous), losses)
        if large:
            balances = _play_month(console, server) and balances
        if keep:
            _stay(console, server)
    return balances


# -- playing


def _play_blocking(url: str, scenes: Sequence[Scene], losses: list[Loss]) -> Stats:
    with Client(server_endpoint=url, api_key=API_KEY, project_id=PROJECT_ID, **OPTIONS) as client:
        for scene in scenes:
            with client.create_session(**_arguments(scene, BLOCKING, losses)) as session:
                for step in scene.steps:
                    step(session)
    return client.stats()


async def _play_asyncio(url: str, scenes: Sequence[Scene], losses: list[Loss]) -> Stats:
    async with AsyncClient(server_endpoint=url, api_key=API_KEY, project_id=PROJECT_ID, **OPTIONS) as client:

        async def play(scene: Scene) -> None:
            async with client.create_session(**_arguments(scene, ASYNCIO, losses)) as session:
                for step in scene.steps:
                    await step(session)

        await asyncio.gather(*map(play, scenes))
    return client.stats()


def _play_month(console: Console, server: LocalServer) -> bool:
    """Record a month of generated conversations. Returns whether all of them arrived."""
    client = Client(server_endpoint=server.url, api_key=API_KEY, project_id=PROJECT_ID, **OPTIONS)
    with client:
        month.record(client, now(), month.CONVERSATIONS)
    server.settle(SETTLE_SECONDS)
    stats = client.stats()
    console.print(f"\n{month.CONVERSATIONS} generated conversations of the last month were added.", highlight=False)
    return stats.delivered == stats.accepted


def _arguments(scene: Scene, face: str, losses: list[Loss]) -> JsonObject:
    return {
        **scene.whom,
        "attributes": {"assistant": scene.assistant, "face": face},
        "on_error": lambda error: losses.append((scene.assistant, error)),
    }


# -- showing


def _find(http: HTTPClient, collection: str, **query: object) -> list[JsonObject]:
    """What the server has stored.

    :raises MLHTTPError: it does not say.
    """
    reply = http.send_request(method="GET", url=f"/bc/v1/db/{collection}/find", data=query)
    if isinstance(reply, dict):
        raise MLHTTPError(reply["status"], reply["message"])
    rows: list[JsonObject] = reply
    return rows


def _table(sessions: list[JsonObject]) -> Table:
    table = Table(
        title="What the server has stored",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name in ("Assistant", "Face", "User"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for name in ("Turns", "Calls", "Tokens", "Cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for session in sessions:
        tokens = session["prompt_tokens"] + session["completion_tokens"]
        table.add_row(
            escape(session["attributes"]["assistant"]),
            session["attributes"]["face"],
            escape(_name(session["user"])),
            str(session["turn_count"]),
            str(session["function_count"]),
            f"{tokens:,}" if tokens else "-",
            "-" if session["cost"] is None else f"{session['cost']:.3f}",
        )
    return table


def _found(conversations: list[JsonObject]) -> str:
    """What the server's analysis says of the conversations in which it recognised what was wanted."""
    lines = ["\nWhat it found in them, and how people felt:"]
    for conversation in conversations:
        for event in conversation["events"]:
            said = event["properties"]
            if event["event"] == CONVERSATION_SUMMARY and said["successful_intents"] + said["unsuccessful_intents"]:
                lines.append(f"  {said['summary']}, {said.get('sentiment', 'of which nothing is known')}")
    return "\n".join(lines)


def _name(user: JsonObject) -> str:
    if user["id"].startswith("ml_"):
        return "(anonymous)"
    return f"ml_... -> {user['id']}" if len(user["aliases"]) > 1 else str(user["id"])


def _account(console: Console, events: list[JsonObject], accounts: Sequence[Stats], losses: Sequence[Loss]) -> bool:
    """Show what was lost and how it adds up; whether it does."""
    console.print()
    for assistant, error in losses:
        console.print(f"{assistant}: {error}", markup=False, highlight=False, soft_wrap=True)
    sent = sum(stats.accepted for stats in accounts)
    refused = sum(stats.refused for stats in accounts)
    stored = sum("origin_event_id" not in event for event in events)
    balances = sent == stored + refused
    console.print(
        f"\nThe account: {sent} events sent {'=' if balances else 'is not'} {stored} stored + {refused} refused"
        f" ({'it balances' if balances else 'IT DOES NOT BALANCE'}).",
        highlight=False,
    )
    generated = len(events) - stored
    console.print(f"The server added {generated} events of its own, such as 'Conversation Started'.", highlight=False)
    if losses:
        console.print("(A program that lost events reports it in one line on stderr when it ends.)")
    return balances


def _stay(console: Console, server: LocalServer) -> None:
    """Leave the server up until a signal comes."""
    url = server.url
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    snippet = SNIPPET.format(url=url, api_key=API_KEY, project_id=PROJECT_ID)
    console.print(f"\nOpen {server.page_url} in a browser to look at the conversations.", highlight=False)
    console.print(f"\nThe server stays on {url}. Use it from your own program like this:\n", highlight=False)
    console.print(snippet, markup=False, highlight=False, soft_wrap=True)
    console.print("Press Ctrl-C to stop it and remove the database.")
    console.file.flush()
    while not stop.wait(1.0):  # in steps, since a signal interrupts no longer wait on Windows
        pass


SNIPPET = """\
from mindlytics import Client

with Client(server_endpoint="{url}", api_key="{api_key}", project_id="{project_id}") as client:
    with client.create_session(id="me") as session:
        session.track_conversation_turn(user="Hello!", assistant="Good morning.")
"""


# -- the scenes


def turn(user: str, assistant: str, usage: Usage | None = None) -> Step:
    return lambda session: session.track_conversation_turn(user=user, assistant=assistant, usage=usage)


def call(name: str, args: str, result: str, milliseconds: float) -> Step:
    return lambda session: session.track_function_call(name=name, args=args, result=result, runtime=milliseconds)


def known(id: str, **traits: str | bool) -> Step:
    return lambda session: session.user_identify(id=id, traits=traits)


def event(name: str, **properties: str | float) -> Step:
    return lambda session: session.track_event(event=name, properties=properties)


def tokens(read: int, written: int) -> TokenBasedCost:
    return TokenBasedCost(MODEL, read, written)


HARDWARE, TRAVEL, CLINIC = "Nell's Hardware", "Meridian Travel", "Harbour Clinic"

SCENES = (
    Scene(
        HARDWARE,
        {"id": "dana"},
        (
            turn(
                "I want to hang a shelf on plasterboard. Books, so it gets heavy.",
                "Then plain plugs are out. How wide is the shelf, and do you know where the studs are?",
                tokens(412, 28),
            ),
            call(
                "find_products", '{"query": "hollow wall anchor", "load_kg": 30}', '[{"sku": "HWA-8", "stock": 64}]', 41
            ),
            turn(
                "80 cm. No idea about studs, I rent.",
                "Take four metal hollow-wall anchors, HWA-8: 30 kg each in 12 mm board. We have 64 of them.",
                tokens(655, 37),
            ),
            call("reserve", '{"sku": "HWA-8", "count": 4}', '{"reservation": "R-2201", "until": "18:00"}', 112),
            turn(
                "Great, four please. I'll be there after work.",
                "They wait for you at the counter until six, under R-2201. Bring a 10 mm drill bit.",
                tokens(803, 33),
            ),
            event("Order Placed", amount=11.96, branch="Mill Street"),
        ),
    ),
    Scene(
        CLINIC,
        {"device_id": "waiting-room-tablet-2"},
        (
            turn("Hi, I have to move my appointment.", "Of course. Which day was it on?", tokens(233, 12)),
            turn(
                "Thursday, with Dr. Osei. My patient number is 40718.",
                "Thank you, Mr. Lindqvist. One moment, I am looking for free times.",
                tokens(287, 19),
            ),
            known("patient-40718", language="sv", reminders=True),
            call(
                "free_times",
                '{"doctor": "osei", "after": "2025-05-08"}',
                '["2025-05-12T08:40", "2025-05-13T15:20"]',
                87,
            ),
            turn(
                "Anything next week, early if you can.",
                "Monday at 8:40 is free. Shall I book it and cancel Thursday?",
                tokens(401, 22),
            ),
            call("move_appointment", '{"to": "2025-05-12T08:40"}', '{"ok": true}', 160),
            turn("Yes please!", "Done. See you on Monday; please come fasting.", tokens(466, 15)),
        ),
    ),
    Scene(
        HARDWARE,
        {"id": "teo"},
        (
            turn(
                "My thermostat reboots every night. I have its log, can you read it?",
                "Yes, paste it here.",
                tokens(240, 9),
            ),
            turn(
                "03:12:07 WARN low supply voltage 21.3 V, restarting\n" * 26_000,  # more than the server's 1 MiB
                "The supply voltage drops below 22 V each time. That is the transformer, not the thermostat.",
                tokens(128_000, 25),
            ),
            turn(
                "So which one do I need?",
                "A 24 V transformer with at least 20 VA; ours is in aisle 9, for 18.50.",
                tokens(310, 24),
            ),
        ),
    ),
    Scene(
        CLINIC,
        {"device_id": "phone-7d1f"},
        (
            turn(
                "do you do travel vaccinations without an appointment",
                "On Wednesdays from two to five, without one. Please bring your vaccination card.",
                tokens(198, 21),
            ),
        ),
    ),
    Scene(
        TRAVEL,
        {"id": "ines.moreau"},
        (
            turn(
                "Lyon to Porto on the 14th, two people, and please no flight before nine.",
                "There is one change either way. Is Madrid or Barcelona better for you?",
                Cost(0.004),
            ),
            call(
                "search",
                '{"from": "LYS", "to": "OPO", "via": "MAD", "after": "09:00"}',
                '{"offers": 3, "best": 318.4}',
                934,
            ),
            turn(
                "Madrid.",
                "10:25 via Madrid, in Porto at 14:50, 318.40 for both, one bag each. I can hold it for an hour.",
                Cost(0.006),
            ),
            call("hold", '{"offer": "A1"}', '{"error": "sold out"}', 502),
            call("hold", '{"offer": "A2"}', '{"held_until": "11:40"}', 388),
            turn(
                "Hold it.",
                "The 10:25 sold out as I tried. I hold the 11:50 for you instead: 322.00, until 11:40.",
                Cost(0.007),
            ),
        ),
    ),
    Scene(
        TRAVEL,
        {"id": "b.okafor"},
        (
            turn(
                "Our hotel has no record of us. We are standing at the desk with two kids.",
                "I am sorry. I am calling the hotel now; please stay where you are.",
                Cost(0.003),
            ),
            call("call_hotel", '{"booking": "MT-88120"}', '{"status": "found under Okafer"}', 41_250),
            turn("And?", "They had misspelt your name. Your room is 412; breakfast is on us.", Cost(0.004)),
            turn("Thank you. Is there a pool?", ""),
        ),
    ),
)
"""Played in this order: the first half through ``Client``, the second through ``AsyncClient``."""
