"""The span processor, with the real SDK: each vocabulary, sub-agents, several questions, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

import mindlytics
from mindlytics.server.run import LocalServer

from ..conftest import Face
from .conftest import Recorded

trace: Any = pytest.importorskip("opentelemetry.sdk.trace")
from opentelemetry.sdk.resources import Resource  # noqa: E402

from mindlytics.integrations.opentelemetry import MindlyticsSpanProcessor  # noqa: E402

SECOND = 1_000_000_000
T0 = 1_770_000_000 * SECOND

PRESENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 4,
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Q"}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "A"}]}]),
}
INDEXED = {
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 5,
    "gen_ai.usage.cache_read_input_tokens": 4,
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be kind.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Q",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "A",
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 5,
    "llm.token_count.prompt_details.cache_read": 4,
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Q",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "A",
}
COUNTED = {name: value for name, value in PRESENT.items() if not name.endswith(".messages")}
EVENTS = [
    ("gen_ai.user.message", {"content": "Q"}),
    ("gen_ai.choice", {"message": json.dumps({"role": "assistant", "content": "A"})}),
]
DETAILS = [
    (
        "gen_ai.client.inference.operation.details",
        {name: PRESENT[name] for name in PRESENT if name.endswith("messages")},
    )
]


@pytest.fixture
def provider() -> Iterator[Any]:
    made = trace.TracerProvider(
        resource=Resource({"service.name": "app", "service.version": "7", "deployment.environment.name": "prod"}),
        shutdown_on_exit=False,
    )
    yield made
    made.shutdown()


class Traced:
    """Makes spans at given seconds."""

    def __init__(self, provider: Any, **options: Any) -> None:
        provider.add_span_processor(MindlyticsSpanProcessor(**options))
        self.tracer = provider.get_tracer("t")

    def begin(self, name: str, at: float, parent: Any = None, **attributes: Any) -> Any:
        from opentelemetry.trace import set_span_in_context

        context = None if parent is None else set_span_in_context(parent)
        return self.tracer.start_span(name, context, attributes=attributes, start_time=T0 + int(at * SECOND))

    def one(self, name: str, at: float, until: float, parent: Any = None, events: Any = (), **attributes: Any) -> None:
        span = self.begin(name, at, parent, **attributes)
        for event, values in events:
            span.add_event(event, values)
        span.end(T0 + int(until * SECOND))


@pytest.mark.parametrize(
    ("attributes", "events"),
    [(PRESENT, ()), (INDEXED, ()), (OPENINFERENCE, ()), (COUNTED, EVENTS), (COUNTED, DETAILS)],
    ids=["present", "indexed", "openinference", "events", "details"],
)
async def test_each_vocabulary_is_read(
    provider: Any, face: Face, recorded: Recorded, attributes: dict[str, Any], events: Any
) -> None:
    traced = Traced(provider, session=face.client().create_session())
    traced.one("chat gpt", 0, 2, events=events, **attributes)
    (turn,) = await recorded()
    del turn["turn_id"]
    assert {
        "user": "Q", "assistant": "A", "model": "gpt", "prompt_tokens": 10, "completion_tokens": 5,
        "cached_tokens": 4, "model_calls": 1, "latency": 2000, "service": "app", "release": "7",
        "environment": "prod", "event": "Conversation Turn",
    } == turn  # fmt: skip


async def test_an_agent_its_tools_and_sub_agents_are_one_turn(
    provider: Any, face: Face, sink: Any, recorded: Recorded
) -> None:
    def said(question: str, answer: str) -> dict[str, Any]:
        return {
            **COUNTED,
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
            ),
        }

    traced = Traced(provider, client=face.client())
    request = traced.begin("POST /chat", 0)
    agent = traced.begin(
        "invoke_agent helper", 0, request,
        **{"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "gen_ai.conversation.id": "c-1",
           "user.id": "ada"},
    )  # fmt: skip
    traced.one("chat", 0, 1, agent, **said("Q", ""))
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"}
    outer = traced.begin("execute_tool look_up", 1, agent, **tool)
    traced.one("chat", 1.5, 2, outer, **said("a prompt of a sub-agent", "its answer"))
    outer.set_attribute("gen_ai.tool.call.arguments", '{"city": "Bern"}')
    outer.set_attribute("gen_ai.tool.call.result", "21")
    outer.end(T0 + 3 * SECOND)
    traced.one("chat", 3, 4, agent, **said("Q", "A"))
    agent.end(T0 + 5 * SECOND)
    assert [] == await recorded()
    request.end(T0 + 6 * SECOND)
    call, turn = await recorded()
    assert ("look_up", '{"city": "Bern"}', "21", 2000) == tuple(
        call[name] for name in ("name", "args", "result", "runtime")
    )
    assert ("Q", "A", "helper", 30, 3, 5000) == tuple(
        turn[name] for name in ("user", "assistant", "assistant_id", "prompt_tokens", "model_calls", "latency")
    )
    assert {("c-1", "ada")} == {(event["conversation_id"], event["user_id"]) for event in sink.events}


async def test_questions_next_to_each_other_are_turns_of_their_own(
    provider: Any, face: Face, recorded: Recorded
) -> None:
    traced = Traced(provider)
    with mindlytics.current(face.client().create_session()):
        job = traced.begin("job", 0)
    for number, text in enumerate(("one", "one", "two")):
        traced.one("chat", number, number + 0.5, job, **{**INDEXED, "gen_ai.prompt.1.content": text})
    job.end(T0 + 9 * SECOND)
    assert [("one", 2), ("two", 1)] == [(turn["user"], turn["model_calls"]) for turn in await recorded()]


async def test_errors_are_recorded_as_what_they_are(provider: Any, face: Face, recorded: Recorded) -> None:
    traced = Traced(provider, session=face.client().create_session())
    with pytest.raises(TimeoutError), traced.tracer.start_as_current_span("chat", attributes=INDEXED):
        raise TimeoutError("what was said")
    (turn,) = await recorded()
    assert "TimeoutError" == turn["error"]
    assert "what was said" not in str(turn)


async def test_spans_without_models_are_not_recorded(provider: Any, face: Face, recorded: Recorded) -> None:
    traced = Traced(provider, session=face.client().create_session())
    traced.one("GET /", 0, 1, **{"http.request.method": "GET"})
    traced.one("embeddings", 0, 1, **{"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 3})
    assert [] == await recorded()


async def test_a_trace_that_does_not_end_is_recorded_at_the_shutdown(
    provider: Any, face: Face, recorded: Recorded
) -> None:
    traced = Traced(provider, session=face.client().create_session())
    root = traced.begin("worker", 0)
    traced.one("chat", 0, 1, root, **PRESENT)
    assert provider.force_flush()
    provider.shutdown()
    assert ["Q"] == [turn["user"] for turn in await recorded()]


def test_the_exporter_of_the_sdk_sends_to_the_local_server(provider: Any) -> None:
    otlp = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    with LocalServer() as server:
        headers = {"Authorization": "Bearer k", "X-App-ID": "p"}
        exporter = otlp.OTLPSpanExporter(endpoint=f"{server.url}/v1/traces", headers=headers)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("t")
        with tracer.start_as_current_span("POST /chat"), tracer.start_as_current_span("chat", attributes=PRESENT):
            pass
        query = {"filter": json.dumps({"event": "Conversation Turn"})}
        events = requests.get(f"{server.url}/bc/v1/db/events/find", params=query, headers=headers, timeout=20).json()
    assert [("Q", "A")] == [(each["properties"]["user"], each["properties"]["assistant"]) for each in events]
