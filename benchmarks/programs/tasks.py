"""An asyncio service: many tasks, each with a session of its own, a probe of how late the loop is, its longest step.

``calm``: every task waits between its turns, as for a model. ``eager``: none waits for anything but the call itself.
``silent`` and ``idle`` are the two without mindlytics.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

from mindlytics import AsyncClient

from ..figures import percentile
from ..turns import TURNS
from . import report

PROBE = 0.005
"""Seconds between two looks at the loop."""
MODEL = 0.1
"""Seconds that a task waits for its model, on average."""


def time_steps() -> list[float]:
    """Let the loop note the longest of its steps from now on: milliseconds, in a list of one."""
    longest = [0.0]
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = time.perf_counter()
        run(handle)
        longest[0] = max(longest[0], (time.perf_counter() - before) * 1e3)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    return longest


async def probe(late: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(PROBE)
        late.append((time.perf_counter() - before - PROBE) * 1e3)


async def serve(client: AsyncClient | None, tasks: int, turns: int, *, waits: bool) -> None:
    async def task(number: int) -> None:
        session = None if client is None else client.create_session(id=f"user-{number}")
        chance = random.Random(number)
        for place in range(turns):
            await asyncio.sleep(chance.uniform(0, 2 * MODEL) if waits else 0)
            turn = TURNS[(number + place) % len(TURNS)]
            if session is not None:
                await session.track_conversation_turn(user=turn.user, assistant=turn.assistant)

    await asyncio.gather(*(task(number) for number in range(tasks)))


async def run(url: str, kind: str, tasks: int, turns: int) -> None:
    events = tasks * turns
    client = None
    if kind in ("calm", "eager"):
        client = AsyncClient(api_key="key", project_id="project", server_endpoint=url, max_queue_events=events + 10_000)
        await client.create_session().track_conversation_turn(user="Hello?", assistant="Good morning!")
        await client.flush()
    late: list[float] = []
    longest = time_steps()
    probing = asyncio.create_task(probe(late))
    cpu, first = time.process_time(), time.monotonic()
    await serve(client, tasks, turns, waits=kind in ("calm", "silent"))
    last = time.monotonic()
    if client is not None:
        await client.close(timeout=60)
    finished = time.monotonic()
    probing.cancel()
    report(
        sent=events + 1 if client is not None else 0,
        first=first,
        last=last,
        finished=finished,
        cpu_before=cpu,
        lag_p99=percentile(late, 0.99) if late else 0.0,
        lag_max=max(late, default=0.0),
        step_max=longest[0],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("kind", choices=["calm", "silent", "eager", "idle"])
    parser.add_argument("tasks", type=int)
    parser.add_argument("turns", type=int, help="of each task")
    chosen = parser.parse_args()
    asyncio.run(run(chosen.url, chosen.kind, chosen.tasks, chosen.turns))


if __name__ == "__main__":
    main()
