"""``mindlytics.testing``: what a program records, seen by its own tests, without a network or credentials."""

from __future__ import annotations

import asyncio
import os
from unittest.mock import ANY

import pytest

import mindlytics
from mindlytics import AsyncClient, Client, HTTPClient, MLHTTPError, transport
from mindlytics.align import AlignAI
from mindlytics.events import CustomEvent, EndSession
from mindlytics.testing import Recorded, first_difference, recording

pytest_plugins = ("pytester",)

CREDENTIALS = ("MLSDK_API_KEY", "MLSDK_PROJECT_ID", "MLSDK_ENABLED", "MLSDK_SERVER_BASE")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


def converse(client: Client) -> None:
    session = client.create_session(session_id="s", id="ada", conversation_id="c")
    session.track_function_call(name="weather", args={"city": "Bonn"}, result="sunny", runtime=5)
    session.track_conversation_turn(user="Weather?", assistant="It is sunny.")
    session.end_session()


def test_turns_and_calls_are_seen_without_a_flush() -> None:
    with recording() as recorded:
        client = Client()
        converse(client)
        assert [("weather", '{"city": "Bonn"}', "sunny", 5)] == [
            (call.name, call.args, call.result, call.runtime) for call in recorded.calls
        ]
        assert [("Weather?", "It is sunny.", "s", "c")] == [
            (turn.user, turn.assistant, turn.session_id, turn.conversation_id) for turn in recorded.turns
        ]
        assert ["ada"] == [end.user_id for end in recorded.of(EndSession)]
        assert client.stats().delivered == len(recorded.events)
        recorded.clear()
        assert [] == recorded.events
        client.close()


async def test_asyncio_is_recorded_too() -> None:
    with recording() as recorded:
        async with AsyncClient() as client:
            session = client.create_session(conversation_id="c")
            await asyncio.gather(*[session.track_conversation_turn(user=str(n), assistant="") for n in range(50)])
            assert list(map(str, range(50))) == [turn.user for turn in recorded.turns]


def test_align_ai_is_recorded_too() -> None:
    with recording() as recorded, AlignAI() as align:
        align.open_session("s", "ada")
        align.create_message("s", 1, "user", "Hello!")
        assert ["SessionOpen", "MessageCreate"] == [type(event).__name__ for event in recorded.align_events]
        assert [] == recorded.events


def test_a_client_made_before_is_recorded_and_earlier_events_are_not() -> None:
    client = Client(api_key="k", project_id="p", server_endpoint="http://127.0.0.1:1", flush_interval=60)
    converse(client)
    with recording() as recorded:
        assert [] == recorded.events
        converse(client)
        assert 1 == len(recorded.turns)
    assert 0 == client.close().pending
    assert 0 == client.stats().dropped


def test_only_clients_made_within_are_recorded_if_the_environment_disables_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLSDK_ENABLED", "0")
    before = Client()
    with recording() as recorded:
        before.create_session().track_event(event="Before")
        Client().create_session().track_event(event="Within")
        assert ["Within"] == [event.event for event in recorded.of(CustomEvent)]


def test_hooks_have_done_their_work() -> None:
    with recording() as recorded, Client(redact="email") as client:
        client.create_session(conversation_id="c").track_conversation_turn(user="I am ada@example.org", assistant="")
        assert "ada@example.org" not in recorded.turns[0].user


def test_an_outage_can_be_played() -> None:
    with recording() as recorded, Client(max_retry_wait=0.01) as client:
        recorded.is_down = True
        converse(client)
        assert [] == recorded.turns
        assert 0 < client.flush(0.2).pending
        recorded.is_down = False
        assert 1 == len(recorded.turns)


def test_direct_requests_are_answered_or_say_what_to_use() -> None:
    with recording(), Client() as client:
        user = client.user_identify(id="ada", traits={"plan": "pro"})
        assert ("ada", {"plan": "pro"}) == (user["user_id"], user["traits"])
        with HTTPClient() as http, pytest.raises(MLHTTPError, match="mindlytics_server"):
            http.send_request(method="GET", url="/bc/v1/sessions", raise_errors=True)


def test_everything_is_as_before_afterwards() -> None:
    with pytest.raises(ZeroDivisionError), recording():
        raise ZeroDivisionError
    assert transport.stand_in is None
    assert "MLSDK_API_KEY" not in os.environ
    with pytest.raises(mindlytics.InvalidSetting):
        Client()


def test_conversations_are_compared_by_their_messages() -> None:
    with recording() as recorded, Client() as client:
        converse(client)
        said = [("tool", "weather"), ("user", "Weather?"), ("assistant", "It is sunny.")]
        assert said == recorded.messages() == recorded.messages("c")
        recorded.assert_messages([*said[:2], ("assistant", ANY)])
        with pytest.raises(AssertionError, match=r"(?s)at message 3:\n.*user: 'Weather\?'\n  expected: assistant: 'It"):
            recorded.assert_messages([*said[:2], ("assistant", "It rains.")])
        assert [] == recorded.messages("another")


@pytest.mark.parametrize(
    ("expected", "recorded", "shown"),
    [
        ([("user", "a")], [], "  expected: user: 'a'\n  recorded: nothing"),
        ([], [("user", "a")], "  expected: nothing\n  recorded: user: 'a'"),
        ([("user", "a")], [("assistant", "a")], "  expected: user: 'a'\n  recorded: assistant: 'a'"),
    ],
)
def test_the_first_difference_is_shown(
    expected: list[tuple[str, object]], recorded: list[tuple[str, object]], shown: str
) -> None:
    difference = first_difference(expected, recorded)
    assert difference is not None
    assert shown in difference
    assert first_difference(recorded, recorded) is None


PROGRAM = """
    from mindlytics import Client

    client = Client(){options}

    def chat(question):
        with client.create_session() as session:
            session.track_conversation_turn(user=question, assistant="42")
"""


def test_a_client_made_at_import_needs_no_credentials_offline(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(program=PROGRAM.replace("{options}", ""))
    pytester.makeini("[pytest]\nmindlytics_offline = true")
    pytester.makepyfile(
        """
        import program

        def test_it(mindlytics_recorded):
            program.chat("Why?")
            mindlytics_recorded.assert_messages([("user", "Why?"), ("assistant", "42")])

        def test_nothing_is_left_of_it(mindlytics_recorded):
            assert [] == mindlytics_recorded.events
            program.chat("How?")
            assert ["How?"] == [turn.user for turn in mindlytics_recorded.turns]

        def test_without_the_fixture_nothing_leaves():
            program.chat("Who?")
            assert 0 == program.client.stats().dropped + program.client.flush(5).pending
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_fixtures_work_without_any_setting(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from mindlytics import Client, HTTPClient

        def record():
            with Client() as client, client.create_session() as session:
                session.track_conversation_turn(user="Why?", assistant="42")

        def test_recorded(mindlytics_recorded):
            record()
            assert ["Why?"] == [turn.user for turn in mindlytics_recorded.turns]

        def test_server(mindlytics_server):
            record()
            with HTTPClient() as http:
                messages = http.send_request(method="GET", url="/bc/v1/db/messages/find", raise_errors=True)
            assert ["Why?", "42"] == [message["content"] for message in messages]
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_pytest_finds_the_plugin_by_itself(pytester: pytest.Pytester) -> None:
    ended = pytester.runpytest_subprocess("--fixtures")
    ended.stdout.fnmatch_lines(["mindlytics_recorded*"])


def test_the_name_of_the_class_is_public() -> None:
    assert "mindlytics.testing.recorded" == Recorded.__module__
