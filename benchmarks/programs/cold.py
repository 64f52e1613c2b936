"""A short program: imports one SDK, records some turns, delivers them and ends. It measures nothing itself."""

import sys
from importlib import import_module

from ..sdks import SDKS
from ..turns import TURNS


def blocking(name: str, url: str, events: int) -> None:
    record, deliver = import_module(f"benchmarks.sdks.{name}").begin(url, events)
    for number in range(events):
        record(TURNS[number % len(TURNS)])
    deliver()


async def on_a_loop(name: str, url: str, events: int) -> None:
    record, deliver = import_module(f"benchmarks.sdks.{name}").begin(url, events)
    for number in range(events):
        await record(TURNS[number % len(TURNS)])
    await deliver()


if __name__ == "__main__":
    name, url, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if SDKS[name].is_async:
        import asyncio

        asyncio.run(on_a_loop(name, url, events))
    else:
        blocking(name, url, events)
