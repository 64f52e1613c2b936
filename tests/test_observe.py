"""The decorator: functions, coroutines and generators work as before, and are recorded."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import mindlytics
from mindlytics import observe
from mindlytics.integrations.recording import Recorder

from .conftest import Face, result
from .sink import Sink


@observe
def look_up(city: str, *, unit: str = "C", **others: Any) -> dict[str, Any]:
    """Its documentation."""
    if city == "nowhere":
        raise LookupError("no such city")
    return {"city": city, "unit": unit, **others}


@observe(name="alook_up")
async def look_up_later(city: str) -> str:
    await asyncio.sleep(0)
    return city


@observe
def pieces(count: int) -> Iterator[str]:
    yield from map(str, range(count))


@observe
async def async_pieces(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield str(number)


@observe(kind="turn", name="weather")
def answer(question: str) -> str:
    return f"In {look_up(question)['city']}"


@observe(kind="turn")
async def stream(number: int, question: str) -> AsyncIterator[str]:
    async for piece in async_pieces(number):
        yield piece


async def recorded(face: Face, sink: Sink) -> list[dict[str, Any]]:
    for client in face.clients:
        await result(client.flush(20))
    return [
        {name: value for name, value in event["properties"].items() if name not in ("turn_id", "latency", "runtime")}
        for event in sink.events
    ]


async def test_a_tool_is_a_function_call(face: Face, sink: Sink) -> None:
    with mindlytics.current(face.client().create_session()):
        assert {"city": "Bern", "unit": "F", "day": 1} == look_up("Bern", unit="F", day=1)
        assert "Bern" == await look_up_later("Bern")
        with pytest.raises(LookupError):
            look_up("nowhere")
        assert ["0", "1"] == list(pieces(2))
        assert ["0", "1"] == [piece async for piece in async_pieces(2)]
    whole, later, failed, *generated = await recorded(face, sink)
    assert {
        "name": "look_up",
        "args": '{"city": "Bern", "unit": "F", "day": 1}',
        "result": '{"city": "Bern", "unit": "F", "day": 1}',
    } == whole
    assert {"name": "alook_up", "args": '{"city": "Bern"}', "result": "Bern"} == later
    assert ("LookupError: no such city", "LookupError") == (failed["result"], failed["error"])
    assert [("pieces", "01"), ("async_pieces", "01")] == [(each["name"], each["result"]) for each in generated]


async def test_an_answer_is_a_turn_and_its_tools_belong_to_it(face: Face, sink: Sink) -> None:
    with mindlytics.current(face.client().create_session()):
        assert "In Bern" == answer("Bern")
        with pytest.raises(LookupError):
            answer("nowhere")
        assert ["0", "1"] == [piece async for piece in stream(2, question="How many?")]
    call, turn, failed_call, failed, _, streamed = await recorded(face, sink)
    assert ("look_up", "look_up") == (call["name"], failed_call["name"])
    assert ("Bern", "In Bern", "weather") == (turn["user"], turn["assistant"], turn["assistant_id"])
    assert ("nowhere", "", "LookupError") == (failed["user"], failed["assistant"], failed["error"])
    assert ("How many?", "01") == (streamed["user"], streamed["assistant"])
    assert "time_to_first_token" in streamed


async def test_what_a_plain_function_returns_is_recorded_while_the_program_reads_it(face: Face, sink: Sink) -> None:
    async def later(question: str) -> str:
        return question

    def words(question: str) -> Iterator[str]:
        yield from question.split()

    async def async_words(question: str) -> AsyncIterator[str]:
        for word in question.split():
            yield word

    returned: list[Any] = [
        observe(kind="turn", name=kind.__name__)(lambda question, kind=kind: kind(question))  # type: ignore[misc]
        for kind in (later, words, async_words)
    ]
    with mindlytics.current(face.client().create_session()):
        assert "a b" == await returned[0]("a b")
        assert ["a", "b"] == list(returned[1]("a b"))
        assert ["a", "b"] == [word async for word in returned[2]("a b")]
    found = await recorded(face, sink)
    assert [("later", "a b"), ("words", "ab"), ("async_words", "ab")] == [
        (each["assistant_id"], each["assistant"]) for each in found
    ]


async def test_an_iterator_is_left_to_the_program(face: Face, sink: Sink) -> None:
    @observe
    def tool(numbers: Iterator[int]) -> Iterator[int]:
        return map(abs, numbers)

    @observe(kind="turn")
    def ask(question: str) -> Iterator[str]:
        return map(str.upper, question)

    with mindlytics.current(face.client().create_session()):
        assert [1, 2] == list(tool(iter([-1, 2])))
        assert ["A", "B"] == list(ask("ab"))
    call, turn = await recorded(face, sink)
    assert ("tool", "ab", "") == (call["name"], turn["user"], turn["assistant"])


async def test_a_stream_that_is_left_is_cancelled(face: Face, sink: Sink) -> None:
    with mindlytics.current(face.client().create_session()):
        made = stream(9, "Q")
        assert "0" == await anext(made)
        await made.aclose()
        blocking = pieces(9)
        next(blocking)
        blocking.close()
    found = await recorded(face, sink)
    assert [True] * 3 == [each["cancelled"] for each in found]
    assert "0" == found[-2]["assistant"]


async def test_a_cancelled_task_is_cancelled(face: Face, sink: Sink) -> None:
    @observe(kind="turn")
    async def hang(question: str) -> None:
        await asyncio.Event().wait()

    with mindlytics.current(face.client().create_session()):
        task = asyncio.create_task(hang("Q"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [True] == [each["cancelled"] for each in await recorded(face, sink)]


async def test_a_tool_that_an_integration_records_is_recorded_once(face: Face, sink: Sink) -> None:
    session = face.client().create_session()
    turn = Recorder(session).turn("Q")
    call = turn.call("look_up", '{"city":"Bern"}')
    with mindlytics.current(session):
        look_up("Bern")
    call.end("what the framework made of it")
    turn.end("A")
    found = await recorded(face, sink)
    assert ["look_up", "Q"] == [each.get("name") or each["user"] for each in found]
    assert '{"city": "Bern", "unit": "C"}' == found[0]["result"]


async def test_two_hundred_at_once_are_kept_apart(face: Face, sink: Sink) -> None:
    @observe(kind="turn")
    async def ask(question: str) -> str:
        await look_up_later(question)
        return question

    with mindlytics.current(face.client().create_session()):
        await asyncio.gather(*(ask(str(number)) for number in range(200)))
    found = await recorded(face, sink)
    assert 400 == len(found)
    last: dict[str, Any] = {}
    for each in found:
        if "user" in each:
            assert each["user"] == last["result"] == each["assistant"]
        last = each


def test_what_a_function_is_stays_as_it_was() -> None:
    assert ("look_up", "Its documentation.") == (look_up.__name__, look_up.__doc__)
    assert ["city", "unit", "others"] == list(inspect.signature(look_up).parameters)
    assert inspect.iscoroutinefunction(look_up_later)
    assert inspect.isgeneratorfunction(pieces)
    assert inspect.isasyncgenfunction(async_pieces)


def test_methods_of_every_kind_are_observed() -> None:
    class Tools:
        @observe
        def own(self, a: int) -> int:
            return a

        @observe
        @staticmethod
        def static(a: int) -> int:
            return a

        @observe
        @classmethod
        def of_class(cls, a: int) -> int:
            return a

    assert [1, 2, 3] == [Tools().own(1), Tools.static(2), Tools().of_class(3)]


def test_values_and_errors_go_into_a_generator_and_its_result_comes_out() -> None:
    @observe
    def talk() -> Any:
        heard = []
        while len(heard) < 2:
            try:
                heard.append((yield len(heard)))
            except KeyError as error:
                heard.append(error.args[0])
        return heard

    made = talk()
    assert 0 == next(made)
    assert 1 == made.send("a")
    with pytest.raises(StopIteration) as stopped:
        made.throw(KeyError("b"))
    assert ["a", "b"] == stopped.value.value


def test_a_generator_leaves_the_context_of_its_caller_alone() -> None:
    @observe(kind="turn")
    def ask(question: str) -> Iterator[str]:
        yield question

    made = ask("Q")
    before = {variable: value for variable, value in contextvars.copy_context().items() if value is not None}
    next(made)
    assert before == {variable: value for variable, value in contextvars.copy_context().items() if value is not None}


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be"):
        observe(kind="chain")  # type: ignore[call-overload]
