"""LlamaIndex: records query engines, chat engines, agents and models as turns, through its instrumentation.

    from mindlytics.integrations.llama_index import instrument

    instrument()

A span without a parent is a question, if a model is asked within it. A stream continues after its spans have ended, so
the question ends with its last model. Models report by events, everything else by spans.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import datetime
from inspect import BoundArguments
from typing import TYPE_CHECKING
from weakref import finalize

from attrs import define, field
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined, unused-ignore]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler

from ..tokens import Tokens, tokens_of
from ..values import now
from .calls import Call
from .fields import get, items_of, str_of
from .quiet import quiet
from .recording import Recorder, Turn
from .sessions import THREADS
from .texts import as_json, text_of

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

MOST_SPANS = 20_000
"""Most spans that are followed at once. Beyond that, the oldest question counts as cancelled."""
ASKED = ("message", "str_or_query_bundle", "user_msg", "query")
"""The engines' names for the user's words."""
RETRIEVES = ("retrieve", "aretrieve")
CALLS = ("call", "acall", "__call__")


def instrument(session: AnySession | None = None, client: Client | AsyncClient | None = None) -> Callable[[], None]:
    """Record all questions to LlamaIndex, until the returned function is called.

    If you call it again, the newest call records. Once that is undone, the one before it records again.

    :param session: where to record, of either face. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    :returns: a function that undoes it.
    """
    reader = _Reader(Recorder(session, client))
    made = (_Spans(reader), _Events(reader))
    for before in _instruments[-1:]:
        _detach(*before)
    _instruments.append(made)
    _attach(*made)

    def undo() -> None:
        if made not in _instruments:
            return
        _detach(*_instruments[-1])
        _instruments.remove(made)
        for before in _instruments[-1:]:
            _attach(*before)

    return undo


@define(eq=False)
class _Question:
    """A span without a parent, with all that happens below it."""

    text: str | None
    thread_id: object
    assistant_id: str | None
    began: datetime = field(factory=now)
    turn: Turn | None = None
    prompted: str | None = None
    """The user's words in the input of the first model."""
    words: str = ""
    """The last words of a model."""
    answer: str | None = None
    """The return value of the question's own span."""
    models: int = 0
    is_returned: bool = False
    is_streamed: bool = False
    has_streamed: bool = False
    """Whether a model's stream is complete, which may be before the question's own span ends."""
    is_over: bool = False
    answering: dict[str, _Span] = field(factory=dict)
    """Open calls of models."""
    spans: list[str] = field(factory=list)


@define(eq=False)
class _Span:
    """An open span of a question."""

    question: _Question
    parent: _Span | None
    instance: object = None
    call: Call | None = None
    block: AbstractContextManager[Turn] | None = None
    is_model: bool = False
    said: str = ""
    model: str | None = None

    def is_within(self, fits: Callable[[_Span], bool]) -> bool:
        """Whether a span around this one is of that kind."""
        around = self.parent
        while around is not None and not fits(around):
            around = around.parent
        return around is not None


_streamed: ContextVar[_Question | None] = ContextVar("mindlytics_streamed", default=None)
"""A question answered with a stream, whose model is asked later."""


class _Reader:
    """Follows spans and events. Any thread may call."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._spans: OrderedDict[str, _Span] = OrderedDict()

    # -- spans ---------------------------------------------------------------------------------------------------

    @quiet
    def enter(
        self, span_id: str, arguments: Mapping[str, object], instance: object, parent_id: str | None, tags: object
    ) -> None:
        parent = self._spans.get(parent_id or "") or self._streaming(arguments)
        question = parent.question if parent is not None else _question(arguments, instance, tags)
        span = _Span(question, parent, instance)
        self._spans[span_id] = span
        question.spans.append(span_id)
        if len(self._spans) > MOST_SPANS:
            self._finish(next(iter(self._spans.values())).question, cancelled=True)
        method = span_id.partition("-")[0].rpartition(".")[2]
        tool = get(instance, "metadata", "name") if method in CALLS else None
        if isinstance(tool, str) and not span.is_within(lambda around: around.instance is instance):
            args = arguments.get("kwargs") or arguments.get("input") or arguments.get("args")
            span.call = self._turn(question).call(tool, as_json(args))
            span.block = self._turn(question).active()
            span.block.__enter__()
        elif method in RETRIEVES and not span.is_within(lambda around: around.instance is instance):
            query = _text_of_query(arguments.get("str_or_query_bundle"))
            span.call = self._turn(question).call(type(instance).__name__, as_json({"query": query}))

    @quiet
    def exit(self, span_id: str, result: object) -> None:
        span = self._left(span_id)
        if span is None:
            return
        if span.call is not None and get(result, "is_error"):
            span.call.fail(text_of(get(result, "content")))
        elif span.call is not None:
            span.call.end(_result_of(result))
        if span.parent is None:
            span.question.is_streamed = _is_stream(result)
            span.question.answer = None if span.question.is_streamed else _answer_in(result)
            self._returned(span.question)
            pieces = _pieces_of(result)
            if pieces is not None and not span.question.is_over:
                finalize(pieces, self._left_unread, span.question)

    @quiet
    def drop(self, span_id: str, error: BaseException | None) -> None:
        span = self._left(span_id)
        if span is None:
            return
        if span.call is not None:
            span.call.fail(error or "error")
        if span.is_model:
            self._model_ended(span_id, span)
        if span.parent is None:
            self._finish(span.question, error=error)

    def _streaming(self, arguments: Mapping[str, object]) -> _Span | None:
        """The question of a stream that the program begins to read. Its model is asked only now."""
        question = _streamed.get()
        if question is None or question.is_over or question.answering or not question.text:
            return None
        return self._spans.get(question.spans[0]) if question.text in repr(arguments) else None

    def _left(self, span_id: str) -> _Span | None:
        span = self._spans.get(span_id)
        if span is not None and span.block is not None:
            span.block.__exit__(None, None, None)
        return span

    # -- events --------------------------------------------------------------------------------------------------

    @quiet
    def event(self, event: object) -> None:
        span_id = str_of(get(event, "span_id"))
        span = self._spans.get(span_id)
        if span is None:
            return
        kind = type(event).__name__
        if kind in ("LLMChatStartEvent", "LLMCompletionStartEvent"):
            self._model_begins(span_id, event, span)
        elif kind == "SpanCancelledEvent" and span.parent is None:
            self._finish(span.question, cancelled=True)
        elif not span.is_model:
            return
        elif kind in ("LLMChatInProgressEvent", "LLMCompletionInProgressEvent"):
            self._turn(span.question).first_token()
            span.question.has_streamed = True
            span.said = _said_by(get(event, "response")) or span.said
        elif kind in ("LLMChatEndEvent", "LLMCompletionEndEvent"):
            response = get(event, "response")
            span.said = _said_by(response) or span.said
            raw = get(response, "raw")
            model = get(raw, "model") or span.model
            self._turn(span.question).use(_tokens_in(raw, response), model)
            self._model_ended(span_id, span)

    def _model_begins(self, span_id: str, event: object, span: _Span) -> None:
        """Note a question to a model. A model that calls its own other method counts once."""
        if span.is_model or span.is_within(lambda around: around.is_model):
            return
        question = span.question
        span.is_model = True
        span.model = _model_named(get(event, "model_dict")) or _model_of(span.instance)
        question.models += 1
        question.answering[span_id] = span
        if question.prompted is None:
            question.prompted = _asked_in(event)
        self._turn(question)

    def _model_ended(self, span_id: str, span: _Span) -> None:
        question = span.question
        question.words = span.said or question.words
        question.answering.pop(span_id, None)
        if question.is_returned and not question.answering:
            self._finish(question)

    # -- questions -----------------------------------------------------------------------------------------------

    def _turn(self, question: _Question) -> Turn:
        if question.turn is None:
            question.turn = self._recorder.turn(
                thread_id=question.thread_id, assistant_id=question.assistant_id, at=question.began
            )
        return question.turn

    def _returned(self, question: _Question) -> None:
        """Note the end of the question's own span. The question ends once all streams have ended."""
        question.is_returned = True
        if not question.answering and (question.has_streamed or not question.is_streamed):
            self._finish(question)
        elif not question.answering:
            _streamed.set(question)

    @quiet
    def _left_unread(self, question: _Question) -> None:
        """Note that the program has dropped a stream, which it may have read to its end."""
        self._finish(question, cancelled=True)

    def _finish(self, question: _Question, *, error: BaseException | None = None, cancelled: bool = False) -> None:
        if question.turn is not None and not question.is_over:
            question.is_over = True
            _end(question, question.turn, error, cancelled)
        for span_id in question.spans:
            self._spans.pop(span_id, None)


def _end(question: _Question, turn: Turn, error: BaseException | None, cancelled: bool) -> None:
    words = "".join(span.said for span in question.answering.values()) or question.words
    turn.user = question.text or question.prompted or ""
    if not question.models or (question.is_streamed and not words and error is None):
        turn.drop()
    elif error is not None:
        turn.fail(error, words)
    elif cancelled:
        turn.cancel(words)
    else:
        turn.end(question.answer or words)


class _Spans(BaseSpanHandler[BaseSpan]):
    """Passes spans on without keeping them."""

    _reader: _Reader = PrivateAttr()

    def __init__(self, reader: _Reader) -> None:
        super().__init__()
        self._reader = reader

    def span_enter(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: object = None,
        parent_id: str | None = None,
        tags: object = None,
        **_: object,
    ) -> None:
        self._reader.enter(id_, bound_args.arguments, instance, parent_id, tags)

    def span_exit(
        self, id_: str, bound_args: BoundArguments, instance: object = None, result: object = None, **_: object
    ) -> None:
        self._reader.exit(id_, result)

    def span_drop(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: object = None,
        err: BaseException | None = None,
        **_: object,
    ) -> None:
        self._reader.drop(id_, err)

    def new_span(self, *_: object, **__: object) -> None: ...

    def prepare_to_exit_span(self, *_: object, **__: object) -> None: ...

    def prepare_to_drop_span(self, *_: object, **__: object) -> None: ...


class _Events(BaseEventHandler):
    """Passes events on."""

    _reader: _Reader = PrivateAttr()

    def __init__(self, reader: _Reader) -> None:
        super().__init__()
        self._reader = reader

    def handle(self, event: object, **_: object) -> None:
        self._reader.event(event)


_instruments: list[tuple[_Spans, _Events]] = []
"""The newest one, which records."""


def _attach(spans: _Spans, events: _Events) -> None:
    dispatcher = get_dispatcher()
    dispatcher.add_span_handler(spans)
    dispatcher.add_event_handler(events)


def _detach(spans: _Spans, events: _Events) -> None:
    dispatcher = get_dispatcher()
    dispatcher.span_handlers = [each for each in dispatcher.span_handlers if each is not spans]
    dispatcher.event_handlers = [each for each in dispatcher.event_handlers if each is not events]


def _question(arguments: Mapping[str, object], instance: object, tags: object) -> _Question:
    """The question to a span without a parent."""
    asked = next((arguments[name] for name in ASKED if arguments.get(name) is not None), None)
    memory = get(instance, "_memory")
    named = [*(get(tags, name) for name in THREADS), get(memory, "session_id"), get(memory, "chat_store_key")]
    name = get(instance, "name")
    return _Question(
        text=_text_of_query(asked) or None,
        thread_id=next((each for each in named if each and each != "chat_history"), None),
        assistant_id=name if isinstance(name, str) and name != "Agent" and hasattr(instance, "tools") else None,
    )


def _is_stream(result: object) -> bool:
    """Whether the words are still to come."""
    return isinstance(result, (Generator, AsyncGenerator)) or "Streaming" in type(result).__name__


def _pieces_of(result: object) -> Generator[object, object, object] | AsyncGenerator[object, object] | None:
    """The generator that the program reads, if the library has made one already."""
    found = (
        result
        if isinstance(result, (Generator, AsyncGenerator))
        else getattr(result, "__dict__", {}).get("response_gen")
    )
    return found if isinstance(found, (Generator, AsyncGenerator)) else None


def _text_of_query(asked: object) -> str:
    """A text, a query with its text, or a message."""
    if isinstance(asked, str):
        return asked
    return str_of(get(asked, "query_str")) or str_of(get(asked, "content"))


def _asked_in(event: object) -> str:
    """The user's last words in the input of a model."""
    users = (each for each in reversed(items_of(get(event, "messages"))) if get(each, "role", "value") == "user")
    return next((text_of(get(each, "content")) for each in users), str_of(get(event, "prompt")))


def _model_named(described: object) -> str:
    return str_of(get(described, "model")) or str_of(get(described, "model_name"))


@quiet
def _model_of(llm: object) -> str:
    """The name in the metadata of a model, which compute it and may raise."""
    return str_of(get(llm, "metadata", "model_name"))


def _said_by(response: object) -> str:
    """The text of a model's response so far."""
    message = get(response, "message")
    return text_of(get(response, "text") if message is None else get(message, "content"))


def _tokens_in(raw: object, response: object) -> Tokens | None:
    """The token counts, from where models' libraries put them."""
    for holder, name in ((raw, "usage"), (raw, "usage_metadata"), (response, "additional_kwargs")):
        tokens = tokens_of(get(holder, name))
        if tokens is not None:
            return tokens
    return tokens_of(raw)


def _answer_in(result: object) -> str | None:
    """The return value of a question's own span, as text. None for a stream."""
    if isinstance(result, str):
        return result
    for name in ("message", "response", "text"):
        found = get(result, name)
        words = found if isinstance(found, str) else get(found, "content")
        if isinstance(words, str):
            return words
    inner = get(result, "result")  # of a workflow
    if inner is not None:
        return _answer_in(inner)
    return as_json(result) if hasattr(type(result), "model_dump") else None


def _result_of(result: object) -> str | None:
    """The result of a tool or a retriever."""
    if isinstance(result, (list, tuple)):
        return as_json([get(get(each, "node"), "text") or str(each) for each in result])
    content = get(result, "content")
    return content if isinstance(content, str) else as_json(result)
