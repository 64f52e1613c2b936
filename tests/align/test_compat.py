"""The names of Align AI's own client over ours. Beside that client itself: ``interop/test_align.py``."""

from __future__ import annotations

import copy
import pickle

import pytest

from mindlytics import InvalidEvent
from mindlytics.align import AlignAI
from mindlytics.compat import alignai
from mindlytics.compat.alignai import config, constants, validate
from mindlytics.server.run import LocalServer


def test_a_client_has_the_attributes_of_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNAI_PROJECT_ID", "from-the-environment")
    with alignai.AlignAI("", "a-secret-key", "http://127.0.0.1:9/") as client:
        assert isinstance(client, AlignAI)
        assert ("from-the-environment", "a-secret-key", "http://127.0.0.1:9") == (
            client.project_id,
            client.api_key,
            client.api_host,
        )
        assert constants.FLUSH_BATCH_SIZE == client.config.flush_batch_size
        assert "mindlytics" == client.logger.name
        assert "a-secret-key" not in repr(client)


def test_the_fields_of_a_config_may_be_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = config.Config(flush_interval_ms=10)
    chosen.flush_batch_size = 7
    with pytest.raises(ValueError, match="flush_batch_size must be an int of at least 1"):
        chosen.flush_batch_size = 0
    with pytest.raises(InvalidEvent, match="size must be one of flush_interval_ms"):
        chosen.size = 1
    with alignai.AlignAI("p", "k", "http://127.0.0.1:9", chosen) as client:
        assert (0.01, 7) == (client.settings.flush_interval, client.settings.max_batch_events)
        assert chosen is client.config is copy.copy(client).config
        monkeypatch.setenv("ALIGNAI_API_KEY", "k")
        assert chosen == pickle.loads(pickle.dumps(client)).config


def test_an_error_has_a_message() -> None:
    with alignai.AlignAI("p", "k", "http://127.0.0.1:9") as client, pytest.raises(validate.ValidationError) as refused:
        client.close_session("")
    assert "session_id must be a str of 1 to 64 characters, got str of 0 characters" == refused.value.message


def test_what_it_records_arrives() -> None:
    with LocalServer() as server, alignai.AlignAI("p", "key", server.url) as client:
        client.open_session("s", "u")
        client.create_message("s", 1, constants.ROLE_USER, "Hello!")
        assert 2 == client.close().delivered
