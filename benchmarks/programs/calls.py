"""Records turns with one SDK, one call after the other, and times each call."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import time
from array import array
from collections.abc import Callable
from typing import Any

from ..figures import percentile
from ..sdks import SDKS
from ..turns import Turn, turns_of
from . import memory, report


class Watch:
    """What is noted around the calls."""

    def __init__(self, events: int) -> None:
        self.spent = array("Q", bytes(8 * events))
        self.before, _ = memory()
        self.cpu = time.process_time()
        self.first = time.monotonic()

    def last_call(self) -> None:
        self.last = time.monotonic()

    def finish(self, **more: int) -> None:
        finished = time.monotonic()
        _, peak = memory()
        report(
            sent=len(self.spent),
            first=self.first,
            last=self.last,
            finished=finished,
            cpu_before=self.cpu,
            memory_before=self.before,
            memory_peak=peak,
            call_median=percentile(self.spent, 0.5) / 1e3,
            call_p99=percentile(self.spent, 0.99) / 1e3,
            **more,
        )


def blocking(
    record: Callable[[Turn], Any], deliver: Callable[[], Any], turns: list[Turn], events: int, *, own_server: bool
) -> None:
    clock = time.perf_counter_ns
    watch = Watch(events)
    spent = watch.spent
    for number in range(events):
        turn = turns[number % len(turns)]
        before = clock()
        record(turn)
        spent[number] = clock() - before
    watch.last_call()
    delivered = deliver()
    watch.finish(**({"arrived": delivered} if own_server else {}))


async def on_a_loop(begin: Callable[..., Any], url: str, turns: list[Turn], events: int) -> None:
    record, deliver = begin(url, events)
    clock = time.perf_counter_ns
    watch = Watch(events)
    spent = watch.spent
    for number in range(events):
        turn = turns[number % len(turns)]
        before = clock()
        await record(turn)
        spent[number] = clock() - before
    watch.last_call()
    await deliver()
    watch.finish()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sdk")
    parser.add_argument("url")
    parser.add_argument("events", type=int)
    parser.add_argument("--size", type=int, help="characters of a turn; default as written")
    chosen = parser.parse_args()
    begin = importlib.import_module(f"benchmarks.sdks.{chosen.sdk}").begin
    turns = turns_of(chosen.size)
    sdk = SDKS[chosen.sdk]
    if sdk.is_async:
        asyncio.run(on_a_loop(begin, chosen.url, turns, chosen.events))
    else:
        blocking(*begin(chosen.url, chosen.events), turns, chosen.events, own_server=sdk.own_server)


if __name__ == "__main__":
    main()
