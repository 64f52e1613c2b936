"""Types: fields of a newer service are kept, reading and writing are inverse, and a repr leaves out what was said."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.antonnia import exceptions, types, webhooks
from mindlytics.antonnia.codec import AGENTS, CONFIGS, CONTENTS, Misfit, from_json, to_json
from mindlytics.values import now

from .answers import AGENT, MESSAGE, SCHEDULE, SESSION, SURVEY

CONTENT_EXAMPLES: list[dict[str, Any]] = [
    {"type": "text", "text": "SECRET", "template_id": "t", "template_parameters": {"name": "SECRET"}},
    {"type": "image", "url": "https://example.com/SECRET.jpg"},
    {"type": "video", "url": "https://example.com/SECRET.mp4"},
    {"type": "audio", "url": "https://example.com/SECRET.mp3", "transcript": "SECRET"},
    {"type": "file", "url": "https://example.com/SECRET", "mime_type": "application/pdf", "name": "SECRET.pdf"},
    {"type": "function_call", "id": "c", "name": "weather", "input": '{"q": "SECRET"}'},
    {"type": "function_result", "id": "c", "name": "weather", "output": "SECRET"},
    {"type": "thought", "thought": "SECRET"},
]


def test_every_kind_has_its_class() -> None:
    assert [content["type"] for content in CONTENT_EXAMPLES] == list(CONTENTS)
    names = {f"MessageContent{kind.title().replace('_', '')}" for kind in CONTENTS}
    assert names == {kind.__name__ for kind in CONTENTS.values()} <= set(vars(types))
    assert AGENTS == {"ai": types.AIAgent, "human": types.HumanAgent}
    assert ["message", "node"] == list(CONFIGS)


@pytest.mark.parametrize("content", CONTENT_EXAMPLES, ids=lambda content: content["type"])
def test_content_is_returned_as_it_was_read(content: dict[str, Any]) -> None:
    message = from_json(types.Message, {**MESSAGE, "content": content})
    assert CONTENTS[content["type"]] is type(message.content)
    assert content == to_json(message.content)
    assert "SECRET" not in repr(message)
    assert type(message.content)(**content) == message.content


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (types.Session, SESSION),
        (types.Message, MESSAGE),
        (types.Agent, AGENT),
        (types.SessionSchedule, SCHEDULE),
        (types.SurveySubmission, SURVEY),
    ],
)
def test_fields_that_are_not_known_are_kept(kind: Any, answer: dict[str, Any]) -> None:
    newer = {**answer, "channel": {"id": "c"}, "extra": [1], "agent_note": None}
    made = from_json(kind, newer)
    assert {"channel": {"id": "c"}, "extra": [1], "agent_note": None} == made.extra
    assert newer.keys() <= to_json(made).keys()
    assert made == from_json(kind, to_json(made))


def test_kinds_that_are_not_known_are_kept() -> None:
    agent = from_json(types.Agent, {**AGENT, "type": "swarm"})
    assert (types.Agent, "swarm", {"assistant_id": "asst_1"}) == (type(agent), agent.type, agent.extra)
    config = from_json(types.SessionSchedule, {**SCHEDULE, "config": {"type": "call", "to": "ada"}}).config
    assert (types.ScheduleConfig, {"to": "ada"}) == (type(config), config.extra)
    assert "merged" == from_json(types.Session, {**SESSION, "status": "merged"}).status


def test_absent_and_null_are_the_default() -> None:
    bare = {name: value for name, value in SESSION.items() if value is not None and name not in ("agent", "metadata")}
    for given_ in (bare, {**bare, "agent": None, "metadata": None, "thread_id": None}):
        session = from_json(types.Session, given_)
        assert (None, {}, None) == (session.agent, session.metadata, session.thread_id)


TEXTS = st.text(max_size=8)
SCALARS = st.none() | st.integers() | TEXTS
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)


@given(JSON)
def test_any_input_is_read_or_refused(value: Any) -> None:
    for kind in (types.Session, types.MessageContent, list[types.Agent]):
        for wrapped in (value, {**SESSION, "metadata": value}, {**SESSION, "agent": value}, {"type": value}):
            with suppress(Misfit):
                from_json(kind, wrapped)


def test_what_words_a_message_has() -> None:
    said = [from_json(types.MessageContent, content).words for content in CONTENT_EXAMPLES]
    files = ["[image] https://example.com/SECRET.jpg", "[video] https://example.com/SECRET.mp4"]
    assert ["SECRET", *files, "SECRET", "[file] https://example.com/SECRET", "", "", ""] == said
    assert "[audio] u" == types.MessageContentAudio(url="u").words


def test_a_survey_is_active_until_it_expires() -> None:
    survey = from_json(types.SurveySubmission, {**SURVEY, "expires_at": (now() + timedelta(hours=1)).isoformat()})
    assert survey.is_active
    assert not evolve(survey, status="finished").is_active
    assert not evolve(survey, expires_at=datetime(2020, 1, 1, tzinfo=timezone.utc)).is_active


def test_every_name_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "antonnia.md").read_text("utf-8")
    modules = (types, exceptions, webhooks)
    names = {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith(("_", "Base"))
    }
    assert set() == {name for name in names - {"Model", "Event"} if not re.search(rf"\b{name}\b", page)}
