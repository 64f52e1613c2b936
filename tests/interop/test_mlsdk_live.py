"""The existing client, unmodified, hears from the local server what became of its events."""

from __future__ import annotations

import pytest

from mindlytics.compat import mlsdk as ours
from mindlytics.server.run import LocalServer

theirs = pytest.importorskip("mlsdk")


@pytest.mark.parametrize("own_port", [False, True], ids=["port of the server", "port of its own"])
async def test_a_session_is_listened_to_until_its_end(own_port: bool) -> None:
    heard: list[tuple[str, str]] = []
    problems: list[Exception] = []

    async def on_event(event: theirs.MLEvent) -> None:
        heard.append((event.session_id, event.event))

    async def on_error(error: Exception) -> None:
        problems.append(error)

    with LocalServer(live_port=0) as server:
        client = theirs.Client(
            api_key="k",
            project_id="p",
            server_endpoint=server.url,
            wss_endpoint=server.live_url if own_port else None,
        )
        other = client.create_session(session_id="other", id="u")
        await other.track_event(event="Sold", properties={})
        await other.flush()
        session = client.create_session(session_id="s", id="u", on_event=on_event, on_error=on_error)
        await session.track_event(event="Bought", properties={"price": 3})
        await session.end_session()
        await session.flush()
    assert [("s", name) for name in ("Session Started", "Bought", "Session Ended")] == heard
    assert [] == problems


async def test_both_clients_receive_what_the_analysis_finds() -> None:
    heard: dict[str, list[tuple[str, object]]] = {}
    with LocalServer() as server:
        for ml in (theirs, ours):
            events = heard[ml.__name__] = []

            async def on_event(event: theirs.MLEvent | ours.MLEvent, events: list[tuple[str, object]] = events) -> None:
                if (event.properties or {}).get("analysis") == "local":
                    events.append((event.event, event.properties))

            client = ml.Client(api_key="k", project_id=ml.__name__, server_endpoint=server.url)
            session = client.create_session(session_id="s", conversation_id="c", id="u", on_event=on_event)
            await session.track_conversation_turn(
                user="Book a flight to Rome, please.", assistant="Done. It is booked.", timestamp="2025-04-03T07:36:00Z"
            )
            await session.end_session(timestamp="2025-04-03T07:37:00Z")
            await session.flush()
    assert {"Intent Informed", "Intent Closed", "Conversation Summary"} == {name for name, _ in heard["mlsdk"]}
    assert sorted(heard["mlsdk"], key=str) == sorted(heard[ours.__name__], key=str)
