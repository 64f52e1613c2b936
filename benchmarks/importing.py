"""``python -m benchmarks.importing``: CPU time of an import, for an event.

It makes conversations of turns and function calls with times, and imports them in fresh processes: read only, sent in a
request each, and sent in shared requests. The rounds take turns, since other programs use the machine too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .environment import machine
from .process import program
from .sink import Sink
from .turns import MODEL, TURNS

KINDS = {
    "read": "read (`--dry-run`)",
    "each": "read and send, a request for each conversation",
    "batch": "read and send, with `--batch`",
}
TURNS_EACH = 4
EVENTS_EACH = 2 * TURNS_EACH + 2
BEGAN = datetime(2025, 4, 3, 12, tzinfo=timezone.utc)


def conversation(number: int) -> dict[str, Any]:
    """Turns, each of which needs a function. The start and the end are events, too."""
    messages: list[dict[str, Any]] = []
    for index in range(TURNS_EACH):
        turn = TURNS[(number * TURNS_EACH + index) % len(TURNS)]
        call = {"id": f"call_{index}", "function": {"name": "look_up", "arguments": '{"order": "A-2201"}'}}
        messages += [
            {"role": "user", "content": turn.user},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{index}", "content": '{"status": "sent", "parcels": 1}'},
            {"role": "assistant", "content": turn.assistant, "model": MODEL},
        ]
    for index, message in enumerate(messages):
        message["timestamp"] = (BEGAN + timedelta(seconds=number * 60 + index)).isoformat().replace("+00:00", "Z")
    return {"conversation_id": f"order-{number}", "user_id": f"user-{number % 100}", "messages": messages}


def figures(conversations: int, rounds: int) -> dict[str, list[float]]:
    """The microseconds of CPU for an event, of each kind in each round."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        path = Path(folder, "chats.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for number in range(conversations):
                file.write(json.dumps(conversation(number), ensure_ascii=False) + "\n")
        for _ in range(rounds):
            for kind, values in found.items():
                report = program("importing", path, kind, sink.url)
                arrived = report["events"] if kind == "read" else sink.take()["events"]
                if arrived != EVENTS_EACH * conversations:
                    raise RuntimeError(f"{arrived} of {EVENTS_EACH * conversations} events arrived")
                values.append(1e6 * report["importing"] / arrived)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.stdout.write(f"{machine()}\n")
    for kind, values in figures(options.conversations, options.rounds).items():
        sys.stdout.write(f"{KINDS[kind]}: {min(values):.1f} to {max(values):.1f} µs of CPU for an event\n")


if __name__ == "__main__":
    main()
