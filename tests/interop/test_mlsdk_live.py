"""The existing client, unmodified, hears from the local server what became of its events."""

from __future__ import annotations

import pytest

from mindlytics.server.run import LocalServer

mlsdk = pytest.importorskip("mlsdk")


@pytest.mark.parametrize("own_port", [False, True], ids=["port of the server", "port of its own"])
async def test_a_session_is_heard_to_its_end(own_port: bool) -> None:
    heard: list[tuple[str, str]] = []
    problems: list[Exception] = []

    async def on_event(event: mlsdk.MLEvent) -> None:
        heard.append((event.session_id, event.event))

    async def on_error(error: Exception) -> None:
        problems.append(error)

    with LocalServer(live_port=0) as server:
        client = mlsdk.Client(
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
