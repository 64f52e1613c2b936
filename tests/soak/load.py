"""The program of a soak run: threads with clients, event loops with clients, each at its own pace."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import define, field

from mindlytics import AsyncClient, Client

from .numbers import is_poison, text

THREADS = 4
LOOPS = 2
TASKS = 3
"""Tasks on each loop."""

OPEN_SESSIONS = 4
"""Sessions that one worker keeps at the same time."""

SESSION_LENGTH = (30, 500)
CLIENT_LASTS = 40
"""Sessions after which a worker closes its client and makes another, equal one."""

LOOP_LASTS = 20.0
"""Seconds after which a loop ends with all its tasks, and the next ``asyncio.run`` goes on."""

SAMPLE_EVERY = 2.0


@define
class Play:
    """What one worker records, and at which pace: the same for both faces."""

    name: str
    events: int
    seconds: float
    random: random.Random
    totals: dict[str, int]
    """The number of events of each session, filled here and read at the end."""

    began: float = field(factory=time.monotonic)
    done: int = 0
    sessions: int = 0
    poisons: int = 0

    @property
    def ahead(self) -> float:
        """Seconds that the worker is ahead of its pace."""
        return self.began + self.done * self.seconds / self.events - time.monotonic()

    def steps(self, make_session: Callable[[str], Any]) -> Iterator[Any]:
        """Record events of several sessions at random. Yields the result of each call."""
        open_sessions: list[tuple[Any, int]] = []
        while self.done < self.events or open_sessions:
            if self.done < self.events and len(open_sessions) < OPEN_SESSIONS:
                self.sessions += 1
                session = make_session(f"{self.name}-{self.sessions}")
                self.totals[session.session_id] = 0
                open_sessions.append((session, self.random.randint(*SESSION_LENGTH)))
            place = self.random.randrange(len(open_sessions))
            session, length = open_sessions[place]
            number = self.totals[session.session_id]
            ends = self.done >= self.events or number >= length
            poison = is_poison(session.session_id, number)
            self.totals[session.session_id] += 1
            self.done += 1
            self.poisons += poison
            values = {"n": number, "text": text(session.session_id, number)}
            if poison:
                yield session.track_event(event="poison", properties=values)
            elif ends:
                del open_sessions[place]
                yield session.end_session(attributes=values)
            elif number % 5 == 0:
                yield session.track_conversation_turn(user="?", assistant="!", properties=values)
            else:
                yield session.track_event(event="step", properties=values)


class Load:
    """All workers, and what they found."""

    def __init__(self, events: int, seconds: float, seed: int, settings: dict[str, Any]) -> None:
        self.settings = {**settings, "on_error": self.told}
        self.seconds = seconds
        self.totals: dict[str, int] = {}
        self.told_refused = 0
        self.told_else: list[str] = []
        self.failures: list[str] = []
        self.rss: list[tuple[float, int]] = []
        workers = THREADS + LOOPS * TASKS
        names = [f"thread{n}" for n in range(THREADS)] + [f"loop{n}-{m}" for n in range(LOOPS) for m in range(TASKS)]
        self.plays = [
            Play(name, events // workers, seconds, random.Random(f"{seed} {name}"), self.totals) for name in names
        ]

    def told(self, error: Any) -> None:
        """The ``on_error`` of all clients."""
        if error.reason == "refused" and error.status == 400:
            self.told_refused += error.count
        else:
            self.told_else.append(str(error))

    def run(self) -> tuple[Any, Any]:
        """Play to the end and deliver everything. Returns the two faces' accounts."""
        blocking, awaited = Client(**self.settings), AsyncClient(**self.settings)
        over = threading.Event()
        sampler = threading.Thread(target=self.sample, args=(over,))
        sampler.start()
        work = [threading.Thread(target=self.guard, args=(self.in_thread, play)) for play in self.plays[:THREADS]]
        for number in range(LOOPS):
            first = THREADS + number * TASKS
            mine = self.plays[first : first + TASKS]
            work.append(threading.Thread(target=self.guard, args=(self.in_loops, mine)))
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        blocking.flush(120)
        asyncio.run(awaited.flush(120))
        over.set()
        sampler.join()
        accounts = blocking.stats(), awaited.stats()
        blocking.close()
        asyncio.run(awaited.close())
        return accounts

    def guard(self, work: Callable[[Any], None], plays: Any) -> None:
        try:
            work(plays)
        except BaseException as error:
            self.failures.append(repr(error))

    def in_thread(self, play: Play) -> None:
        clients = [Client(**self.settings)]

        def make_session(session_id: str) -> Any:
            if play.sessions % CLIENT_LASTS == 0:  # sessions of the old one go on through the end of their play
                clients.append(Client(**self.settings))
            return clients[-1].create_session(session_id=session_id, id="soak")

        for _ in play.steps(make_session):
            if play.ahead > 0.005:
                time.sleep(play.ahead)
        for client in clients:
            client.close()

    def in_loops(self, plays: list[Play]) -> None:
        """One ``asyncio.run`` after the other. Each client lives through all of them."""
        client = AsyncClient(**self.settings)
        under_way = [
            play.steps(lambda session_id: client.create_session(session_id=session_id, id="soak")) for play in plays
        ]
        while any(play.done < play.events for play in plays):
            asyncio.run(self.tasks(plays, under_way))
        asyncio.run(self.last(client, under_way))

    async def tasks(self, plays: list[Play], under_way: list[Iterator[Any]]) -> None:
        until = time.monotonic() + LOOP_LASTS
        await asyncio.gather(*[self.task(play, steps, until) for play, steps in zip(plays, under_way, strict=True)])

    async def task(self, play: Play, steps: Iterator[Awaitable[Any]], until: float) -> None:
        while time.monotonic() < until and play.done < play.events:
            await next(steps)
            if play.ahead > 0.005:
                await asyncio.sleep(play.ahead)

    async def last(self, client: AsyncClient, under_way: list[Iterator[Awaitable[Any]]]) -> None:
        for steps in under_way:
            for done in steps:
                await done
        await client.close()

    def sample(self, over: threading.Event) -> None:
        began = time.monotonic()
        while not over.wait(SAMPLE_EVERY):
            self.rss.append((time.monotonic() - began, resident()))


def resident() -> int:
    """Bytes of memory that this process holds, or 0 if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
