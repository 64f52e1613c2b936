"""Transcripts for the tests of ``mindlytics import``, and what its summary says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEA = {
    "conversation_id": "tea",
    "user_id": "dana",
    "timestamp": "2025-04-03T12:00:00Z",
    "metadata": {"shop": "Mill Street", "tables": 7, "open": {"from": 8}},
    "messages": [
        {"role": "system", "content": "You serve tea."},
        {"role": "user", "content": "Which tea is there?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"kind": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": '["green"]'},
        {"role": "assistant", "content": "Green.", "timestamp": "2025-04-03T12:00:05Z"},
        {"role": "user", "content": "Then that.", "timestamp": "2025-04-03T12:01:00Z"},
    ],
}
COFFEE = {"messages": [{"role": "assistant", "content": "Coffee?"}, {"role": "user", "content": "No."}]}


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def figures(summary: str) -> dict[str, str]:
    """The summary's rows."""
    return {name.strip(): value for name, value in (row.rsplit(maxsplit=1) for row in summary.splitlines())}


def counted(summary: str) -> dict[str, int]:
    return {name: int(value) for name, value in figures(summary).items() if name not in ("seconds", "events/s")}
