"""What the page on migrating says of losses: the existing client and ours against the same failing service."""

from __future__ import annotations

from itertools import count
from types import ModuleType

import pytest

from mindlytics.compat import mlsdk as ours

from .. import sink as faults
from ..programs import run
from ..sink import Exchange, Fault, Sink

theirs = pytest.importorskip("mlsdk")

FAULTS: dict[str, Fault] = {
    "503": faults.status(503),
    "429": faults.status(429, Retry_After="0"),
    "reset": faults.reset,
}
FLUSHLESS = """
import asyncio
from mlsdk import Client

async def main():
    session = Client().create_session(session_id="s", id="u")
    for number in range(500):
        await session.track_event(event=str(number), properties={})

asyncio.run(main())
"""


async def arrived(ml: ModuleType, fault: Fault) -> int:
    """How many of 100 events arrive if every fifth request fails."""
    sink = Sink()
    number = count()

    def every_fifth(exchange: Exchange) -> None:
        (faults.fine if next(number) % 5 else fault)(exchange)

    sink.always = every_fifth
    session = ml.Client(api_key="k", project_id="p", server_endpoint=sink.url).create_session(session_id="s", id="u")
    for each in range(100):
        await session.track_event(event=str(each), properties={})
    await session.flush()
    sink.close()
    return len(sink.events)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_fails_once_is_lost_there_and_arrives_here(fault: Fault) -> None:
    assert (80, 100) == (await arrived(theirs, fault), await arrived(ours, fault))


@pytest.mark.parametrize(("name", "expected"), [("mlsdk", 0), ("mindlytics.compat.mlsdk", 500)])
def test_what_is_not_flushed_is_lost_there_and_arrives_here(name: str, expected: int, sink: Sink) -> None:
    ran = run(sink, FLUSHLESS.replace("mlsdk", name))
    assert 0 == ran.returncode
    assert expected == len(sink.events)


UNHEARD = """
import asyncio, os
from mlsdk import Client

async def on_event(event):
    pass

async def main():
    session = Client(wss_endpoint="ws://127.0.0.1:9").create_session(session_id="s", id="u", on_event=on_event)
    track = asyncio.create_task(session.track_event(event="E", properties={}))
    done, _ = await asyncio.wait({track}, timeout=SECONDS)
    print("tracked" if done else "waiting", flush=True)
    os._exit(0)  # the former client may keep a loop from ending

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("name", "seconds", "expected"), [("mlsdk", "1", "waiting"), ("mindlytics.compat.mlsdk", "30", "tracked")]
)
def test_unavailable_live_events_delay_only_start_listening(name: str, seconds: str, expected: str, sink: Sink) -> None:
    sink.always = lambda exchange: exchange.reply(body=b'{"authorization_key":"k"}', Content_Type="application/json")
    ran = run(sink, UNHEARD.replace("mlsdk", name).replace("SECONDS", seconds))
    assert (0, f"{expected}\n") == (ran.returncode, ran.stdout)
