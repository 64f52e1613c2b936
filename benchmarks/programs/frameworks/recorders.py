"""The recorders of the runs: none, mindlytics, Langfuse. And what each of them recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen
from openai.resources.chat import completions

from mindlytics import Client
from mindlytics.integrations import langchain, llama_index
from mindlytics.integrations import openai as openai_integration

from .runs import Handlers, openai_client

PLAIN = completions.Completions.create


@frozen
class Recorded:
    """What was recorded of one run.

    :param turns: questions with their answers, which are traces at Langfuse.
    :param calls: calls of tools, which are observations of that type.
    :param runtimes: milliseconds of these calls.
    :param errors: turns and calls that failed.
    """

    turns: int
    calls: int
    runtimes: list[float]
    tokens: int
    errors: int


class Alone:
    """Records nothing."""

    @contextmanager
    def recording(self) -> Iterator[tuple[Handlers, Any]]:
        yield [], openai_client()

    def forget(self) -> None:
        pass


class Mindlytics:
    """Records through the integrations, and delivers to a sink."""

    def __init__(self, url: str) -> None:
        self._events: list[Any] = []
        self._client = Client(api_key="key", project_id="project", server_endpoint=url)
        self._looking = Client(api_key="key", project_id="project", server_endpoint=url, before_send=self._keep)

    def _keep(self, event: Any) -> Any:
        self._events.append(event)
        return event

    @contextmanager
    def recording(self, client: Client | None = None) -> Iterator[tuple[Handlers, Any]]:
        client = client or self._client
        undo = llama_index.instrument(client=client)
        try:
            yield [langchain.MindlyticsCallback(client=client)], openai_integration.wrap(openai_client(), client=client)
        finally:
            undo()

    @contextmanager
    def looking(self) -> Iterator[tuple[Handlers, Any]]:
        with self.recording(self._looking) as made:
            yield made

    def forget(self) -> None:
        """Deliver what was recorded."""
        self._client.flush(10)

    def recorded(self) -> Recorded:
        self._looking.flush(10)
        turns = [each for each in self._events if type(each).__name__ == "ConversationTurn"]
        calls = [each for each in self._events if type(each).__name__ == "ConversationFunction"]
        self._events.clear()
        used = [each.usage for each in turns if each.usage is not None]
        return Recorded(
            turns=len(turns),
            calls=len(calls),
            runtimes=[float(each.runtime) for each in calls],
            tokens=sum(each.prompt_tokens + each.completion_tokens for each in used),
            errors=sum("error" in each.properties for each in (*turns, *calls)),
        )


class Langfuse:
    """Records through Langfuse's handler, its OpenAI client, and OpenInference for LlamaIndex, into memory."""

    def __init__(self) -> None:
        from langfuse import Langfuse as LangfuseClient  # noqa: PLC0415  only here, since it is a peer
        from langfuse.langchain import CallbackHandler  # noqa: PLC0415
        from openinference.instrumentation.llama_index import LlamaIndexInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

        provider = TracerProvider()
        self._spans = InMemorySpanExporter()
        self._client = LangfuseClient(
            public_key="key",
            secret_key="secret",
            base_url="http://127.0.0.1:9",
            tracer_provider=provider,
            span_exporter=self._spans,
        )
        self._handler = CallbackHandler
        self._provider = provider
        self._instrumentor = LlamaIndexInstrumentor()
        import langfuse.openai  # noqa: PLC0415, F401  replaces the methods of the library

        self._create = completions.Completions.create
        completions.Completions.create = PLAIN  # type: ignore[method-assign]

    @contextmanager
    def recording(self) -> Iterator[tuple[Handlers, Any]]:
        completions.Completions.create = self._create  # type: ignore[method-assign]
        self._instrumentor.instrument(tracer_provider=self._provider)
        try:
            yield [self._handler()], openai_client()
        finally:
            self._instrumentor.uninstrument()
            completions.Completions.create = PLAIN  # type: ignore[method-assign]

    looking = recording

    def forget(self) -> None:
        """Free what was recorded."""
        self._client.flush()
        self._spans.clear()

    def recorded(self) -> Recorded:
        self._client.flush()
        spans = self._spans.get_finished_spans()
        self._spans.clear()
        tools = [each for each in spans if self._kind(each) == "tool"]
        roots = [each for each in spans if each.parent is None]
        return Recorded(
            turns=len(roots),
            calls=len(tools),
            runtimes=[(each.end_time - each.start_time) / 1e6 for each in tools],
            tokens=sum(map(self._tokens, spans)),
            errors=sum(map(self._failed, (*roots, *tools))),
        )

    @staticmethod
    def _kind(span: Any) -> str:
        named = span.attributes.get("langfuse.observation.type") or span.attributes.get("openinference.span.kind")
        return str(named).lower()

    @staticmethod
    def _tokens(span: Any) -> int:
        details = json.loads(span.attributes.get("langfuse.observation.usage_details") or "{}")
        total: int = (
            details.get("total")
            or details.get("total_tokens")
            or sum(count for name, count in details.items() if "details" not in name and isinstance(count, int))
        )
        return total or int(span.attributes.get("llm.token_count.total") or 0)

    @staticmethod
    def _failed(span: Any) -> bool:
        return span.attributes.get("langfuse.observation.level") == "ERROR" or span.status.status_code.name == "ERROR"
