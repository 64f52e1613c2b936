"""What lines of the chat format come to, and why some come to nothing."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mindlytics.transcripts import MAX_LINE, Call, Feedback, Problem, Step, Summary, Transcript, Turn, read

NOON = "2025-04-03T12:00:00Z"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2025, 4, 3, hour, minute, tzinfo=timezone.utc)


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: Any = None, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def function(name: str = "search", id: str = "1", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(content: Any, id: str = "1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def line(*messages: Any, **more: Any) -> str:
    return json.dumps({"messages": list(messages), **more})


def only(text: str | bytes) -> Transcript:
    (transcript,) = read([text])
    assert isinstance(transcript, Transcript), transcript
    return transcript


def steps(*messages: Any) -> list[Step]:
    return list(only(line(*messages)).steps)


def reason(text: str | bytes) -> str:
    (problem,) = read([text])
    assert isinstance(problem, Problem), problem
    return problem.reason


# -- turns and calls


def test_a_question_and_the_next_answer_make_a_turn() -> None:
    said = steps(user("Tea?"), assistant("Yes."), user("Milk?"), assistant("No."))
    assert [Turn("Tea?", "Yes."), Turn("Milk?", "No.")] == said


def test_texts_of_one_role_in_a_row_are_joined() -> None:
    said = steps(user("Tea?"), user("Or coffee?"), assistant("Both."), assistant("Sit down."))
    assert [Turn("Tea?\nOr coffee?", "Both.\nSit down.")] == said


def test_a_question_left_unanswered() -> None:
    assert [Turn("Tea?", "Yes."), Turn("Milk?", "")] == steps(user("Tea?"), assistant("Yes."), user("Milk?"))


def test_an_assistant_that_speaks_first() -> None:
    assert [Turn("", "Hello!"), Turn("Hi.", "Tea?")] == steps(assistant("Hello!"), user("Hi."), assistant("Tea?"))


def test_instructions_are_no_turns() -> None:
    system, developer = ({"role": role, "content": "Be kind."} for role in ("system", "developer"))
    assert [Turn("Hi.", "Hello.")] == steps(system, user("Hi."), developer, assistant("Hello."))


def test_content_may_be_a_list_of_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/tea.png"}}
    parts = [{"type": "text", "text": "What is this?"}, image, {"type": "text", "text": "Be brief."}]
    assert [Turn("What is this?\nBe brief.", "Tea.")] == steps(
        user(parts), assistant([{"type": "text", "text": "Tea."}])
    )


def test_a_user_message_without_text_is_a_question_still() -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/tea.png"}}]
    assert [Turn("Hi.", "Hello."), Turn("", "Nice tea.")] == steps(
        user("Hi."), assistant("Hello."), user(image), assistant("Nice tea.")
    )


def test_messages_that_say_nothing_are_a_problem() -> None:
    silent = "has messages, and nothing in them can be read"
    assert silent == reason(line(user(""), assistant(None), assistant("  \n")))
    assert silent == reason(line({"role": "user", "text": "Hi."}))


def test_no_messages_are_no_conversation() -> None:
    assert [] == list(read([line(), line({"role": "system", "content": "Be kind."})]))


def test_a_bad_message_costs_that_message() -> None:
    transcript, problem = read([line(user("Tea?"), {"role": "cook", "content": "No."}, assistant("Yes."))])
    assert isinstance(problem, Problem)
    assert isinstance(transcript, Transcript)
    assert "line 1: messages[1].role" == problem.where
    assert (Turn("Tea?", "Yes."),) == transcript.steps


def test_roles_are_known_by_other_names() -> None:
    roles = [{"role": role, "content": text} for role, text in (("Human", "Tea?"), ("AI", "Yes."), ("model", "Green."))]
    assert [Turn("Tea?", "Yes.\nGreen.")] == steps(*roles)


def test_a_call_before_the_answer_comes_before_its_turn() -> None:
    said = steps(
        user("Tea?"), assistant(None, function(arguments='{"q": "tea"}')), tool('["green"]'), assistant("Green.")
    )
    assert [Call("search", '{"q": "tea"}', '["green"]'), Turn("Tea?", "Green.")] == said


def test_a_call_after_the_answer_comes_after_its_turn() -> None:
    said = steps(user("Tea!"), assistant("Coming.", function("brew")), tool("ok"), user("Thanks."), assistant("Enjoy."))
    assert [Turn("Tea!", "Coming."), Call("brew", "{}", "ok"), Turn("Thanks.", "Enjoy.")] == said


def test_a_call_between_two_halves_of_an_answer_comes_before_the_turn() -> None:
    said = steps(user("Tea?"), assistant("Let me see.", function()), tool("green"), assistant("Green."))
    assert [Call("search", "{}", "green"), Turn("Tea?", "Let me see.\nGreen.")] == said


def test_calls_of_a_question_left_unanswered_come_before_it() -> None:
    assert [Call("search", "{}", None), Turn("Tea?", "")] == steps(user("Tea?"), assistant(None, function()))


def test_calls_at_once_keep_their_order_whatever_the_order_of_results() -> None:
    said = steps(user("Tea?"), assistant(None, function("a", "1"), function("b", "2")), tool("B", "2"), tool("A", "1"))
    assert [Call("a", "{}", "A"), Call("b", "{}", "B"), Turn("Tea?", "")] == said


def test_an_id_may_come_again_once_its_result_is_there() -> None:
    said = steps(assistant(None, function("a")), tool("A"), assistant(None, function("b")), tool("B"))
    assert [Call("a", "{}", "A"), Call("b", "{}", "B")] == said


def test_arguments_other_than_text_become_json() -> None:
    call = {"function": {"name": "brew", "arguments": {"kind": "Grüntee"}}}
    silent = {"function": {"name": "wait"}}
    assert [Call("brew", '{"kind": "Grüntee"}'), Call("wait")] == steps(assistant(None, call, silent))


# -- ids, times, metadata


def test_given_ids_are_kept_and_numbers_become_text() -> None:
    session = only(line(user("Hi."), session_id="s", conversation_id="c", user_id=40718, device_id="d")).session
    assert {"session_id": "s", "conversation_id": "c", "user_id": "40718", "device_id": "d"} == {
        name: value for name, value in session.items() if name != "attributes"
    }


def test_what_is_left_out_is_derived_from_the_conversation_id() -> None:
    once, again, other = (only(line(user("Hi."), conversation_id=id)).session for id in ("c", "c", "d"))
    assert once == again
    assert None not in (once["session_id"], once["device_id"])
    assert once["session_id"] != other["session_id"]
    assert once["device_id"] != other["device_id"]


def test_conversations_of_one_session_are_distinguished_by_their_words() -> None:
    once, again, other = (only(line(user(text), session_id="s")).session for text in ("Hi.", "Hi.", "Tea?"))
    assert once == again
    assert once["conversation_id"] != other["conversation_id"]
    assert once["device_id"] == other["device_id"]


def test_without_ids_the_session_makes_new_ones() -> None:
    assert {None} == set(only(line(user("Hi."))).session.values())


def test_a_time_of_the_line_counts_until_a_message_has_its_own() -> None:
    transcript = only(
        line(
            user("Tea?"),
            assistant(None, function(), timestamp="2025-04-03T14:01:00+02:00"),
            assistant("Green.", timestamp=at(12, 2).timestamp()),
            user("Thanks."),
            timestamp=NOON,
        )
    )
    moments = [at(12, 1), at(12, 2), at(12, 2)]
    assert (at(12), moments, at(12, 2)) == (transcript.began, [s.timestamp for s in transcript.steps], transcript.ended)


def test_without_times_there_are_none() -> None:
    transcript = only(line(user("Tea?")))
    assert (None, None, None) == (transcript.began, transcript.steps[0].timestamp, transcript.ended)


def test_metadata_becomes_attributes() -> None:
    metadata = {"shop": "Mill Street", "rating": 4.5, "nested": {"a": 1}}
    assert metadata == only(line(user("Hi."), metadata=metadata)).session["attributes"]


# -- lines


def test_lines_are_numbered_and_empty_ones_passed_over() -> None:
    found = list(read([line(user("Hi.")), "\n", "oops\n", b"\r\n", line(user("Ho.")).encode() + b"\r\n"]))
    assert [(Transcript, 1), (Problem, 3), (Transcript, 5)] == [(type(item), item.line) for item in found]


def test_a_byte_order_mark_is_no_problem() -> None:
    assert [Turn("Hi.", "")] == list(only(b"\xef\xbb\xbf" + line(user("Hi.")).encode()).steps)


def test_halves_of_characters_are_for_the_session_to_clean() -> None:
    assert [Turn("Oh \ud83d", "")] == list(only(r'{"messages": [{"role": "user", "content": "Oh \ud83d"}]}').steps)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", "is no JSON: Expecting value at character 1"),
        (b'{"messages": "\xff"}', "is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        (" " + "x" * (MAX_LINE + 1), f"longer than {MAX_LINE} bytes"),
        ("[]", "a line must be a JSON object, got list"),
        ("{}", "is of no known format (its keys: none)"),
        (line("Hi."), "messages[0] must be an object, got str"),
        (line({"content": "Hi."}), "messages have no roles (their keys: content)"),
        (line({"role": ["user"]}), "messages[0].role must be one of"),
        (line(user(7)), "messages[0].content must be a str, null or a list of parts, got int"),
        (line(user([7])), "messages[0].content[0] must be a part, got int"),
        (line(user([{"type": "text"}])), "messages[0].content[0].text must be a str"),
        (line(assistant(tool_calls="x")), "messages[0].tool_calls must be a list"),
        (line(assistant(None, {"id": "1"})), "messages[0].tool_calls[0] must be an object with a function"),
        (line(assistant(None, function(""))), "messages[0].tool_calls[0].function.name must be a str of 1 to 100"),
        (line(assistant(None, function("f" * 101))), "function.name must be a str of 1 to 100"),
        (line(assistant(None, function(arguments=3))), "function.arguments must be a str of JSON, got int"),
        (line(assistant(None, function(id=3))), "messages[0].tool_calls[0].id must be a str"),  # type: ignore[arg-type]
        (line(tool("green")), "messages[0] must be that of a call before it that has no result yet"),
        (line(conversation_id=1.5), "conversation_id must be a str of 1 to 100 characters, got float"),
        (line(user_id=True), "user_id must be"),
        (line(timestamp="yesterday"), "timestamp must be an ISO 8601 date and time or seconds since 1970"),
        (line(user("Hi.", timestamp=True)), "messages[0].timestamp must be"),
        (line(metadata=["a"]), "metadata must be an object, got list"),
    ],
)
def test_errors_never_quote_the_value(text: str | bytes, expected: str) -> None:
    assert expected in reason(text)


@pytest.mark.parametrize(
    ("role", "shown"),
    [("cook", "'cook'"), ("sous-chef", "'sous-chef'"), ("It was me.", "str of 10 characters"), (7, "int")],
)
def test_an_unknown_role_is_shown_if_it_is_a_short_word(role: object, shown: str) -> None:
    assert reason(line({"role": role})).endswith(f", got {shown}")


@pytest.mark.parametrize(
    "noon",
    [
        1743681600,
        1743681600000,
        1743681600000000,
        1743681600000000000,
        "1743681600",
        "1743681600.0",
        "2025-04-03 12:00:00 UTC",
        "Thu, 03 Apr 2025 12:00:00 GMT",
        "2025-04-03T14:00:00+02:00",
    ],
)
@pytest.mark.parametrize("name", ["timestamp", "created_at", "createdAt", "create_time"])
def test_times_in_any_unit_and_under_any_usual_name(noon: Any, name: str) -> None:
    assert at(12) == only(line(user("Hi."), **{name: noon})).began


def test_times_without_an_offset_are_of_the_time_zone_that_is_named() -> None:
    lines = [line(user("Hi."), timestamp="2025-04-03T12:00:00"), line(user("Hi."), timestamp=NOON)]
    found = [item.began for item in read(lines, timezone=timezone(timedelta(hours=2))) if isinstance(item, Transcript)]
    assert [at(10), at(12)] == found


def test_long_ids_are_cut_and_stay_apart() -> None:
    one, other = (only(line(user("Hi."), conversation_id="c" * 100 + end)).session["conversation_id"] for end in "ab")
    assert (100, 100) == (len(one), len(other))
    assert one != other


def test_an_empty_user_id_is_none() -> None:
    assert only(line(user("Hi."), user_id="", conversation_id="c")).session["user_id"] is None


def test_model_tokens_cost_and_feedback() -> None:
    answer = assistant(
        "Yes.",
        model="m-1",
        assistant_id="waiter",
        usage={"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4},
        cost=0.25,
        feedback={"name": "thumbs", "value": "up", "comment": "Quick."},
    )
    transcript = only(line(user("Tea?"), answer))
    assert (Turn("Tea?", "Yes.", None, "m-1", 9, 2, 4, 0.25, "waiter"),) == transcript.steps
    assert (Feedback("thumbs", "up", 0, "Quick."),) == transcript.feedback


def test_what_is_not_read_is_counted_and_strict_makes_it_a_problem() -> None:
    odd = {"type": "hologram", "data": "x"}
    image = {"type": "image_url", "image_url": {"url": "https://example.org/tea.png"}}
    lines = [line(user(["Tea?", odd, image]), assistant("Yes.", mood="good"))]
    summary = Summary()
    assert [Transcript] == [type(item) for item in read(lines, summary=summary)]
    assert {"parts of type hologram": 1, "the key mood of messages": 1} == summary.unread
    assert {"parts of type image_url": 1} == summary.left_out
    assert [Transcript, Problem, Problem] == [type(item) for item in read(lines, strict=True)]


def test_a_second_result_of_a_call_is_passed_over() -> None:
    assert [Call("search", "{}", "one"), Turn("Tea?", "Yes.")] == steps(
        user("Tea?"), assistant(None, function()), tool("one"), tool("two"), assistant("Yes.")
    )


def test_memory_does_not_grow_with_the_number_of_lines() -> None:
    def lines() -> Iterator[str]:
        for number in range(3000):
            yield line(user("Tea? " * 200), assistant("Yes. " * 200), conversation_id=f"c{number}")

    tracemalloc.start()
    try:
        assert 3000 == sum(isinstance(item, Transcript) for item in read(lines()))
        assert 1_000_000 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
