"""Ctrl-C at each moment at which a call starts the sender: the sender is at work afterwards."""

from __future__ import annotations

import threading

import pytest

from mindlytics import Client

from .delivery.test_interrupts import interrupted
from .sink import Sink


def ctrl_c() -> None:
    raise KeyboardInterrupt


def test_an_interrupted_start_of_the_sender_is_made_up_for(sink: Sink) -> None:
    place, in_the_midst = 0, True
    while in_the_midst:
        in_the_midst = False
        client = Client(api_key=f"key-{place}", project_id="proj-1", server_endpoint=sink.url)
        session = client.create_session(id="u")
        try:
            interrupted(lambda session=session: session.track_event(event="e"), place, ctrl_c, ("sender.py",))  # type: ignore[misc]
        except KeyboardInterrupt:
            in_the_midst = True
        session.track_event(event="e")
        result = client.flush(timeout=20)
        assert (0, place) == (result.pending, place)
        client.close()
        place += 1
    assert place > 2


def test_ctrl_c_before_the_thread_has_begun(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(api_key="key", project_id="proj-1", server_endpoint=sink.url)
    session = client.create_session(id="u")
    monkeypatch.setattr(threading.Thread, "start", lambda _: ctrl_c())
    with pytest.raises(KeyboardInterrupt):
        session.track_event(event="a")
    monkeypatch.undo()
    session.track_event(event="b")
    assert 0 == client.flush(timeout=20).pending
    client.close()
    assert ["a", "b"] == sink.names()
