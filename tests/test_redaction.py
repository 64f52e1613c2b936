"""Personal data is replaced before anything leaves or touches the disk: which, where, and in a bounded time."""

from __future__ import annotations

import pickle
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics import Client, InvalidSetting
from mindlytics.align import ROLE_USER, AlignAI, AsyncAlignAI
from mindlytics.redaction import redactor
from mindlytics.setting_rules import REDACTABLE
from mindlytics.settings import Settings

from .conftest import Face, result
from .sink import Sink

ALL = redactor(REDACTABLE)
EMAIL, CARD, IBAN = "ada@example.org", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ada@example.org.", "Write to [email]."),
        ("<jürgen.x+y@sub.exämple.co.uk>", "<[email]>"),
        ("mailto:a_b-c%d@example.museum", "mailto:[email]"),
        ("4111111111111111", "[card]"),
        ("card 4111 1111 1111 1111 12/25", "card [card] 12/25"),
        ("25 4111-1111-1111-1111, thanks", "25 [card], thanks"),
        ("3782 822463 10005", "[card]"),
        ("2223000048400011", "[card]"),
        ("DE89 3704 0044 0532 0130 00 IS MINE", "[iban] IS MINE"),
        ("AB12 de89370400440532013000", "AB12 [iban]"),
        ("GB82WEST12345698765432", "[iban]"),
        ("+49 151 23456789", "[phone]"),
        ("tel:+15551234567", "tel:[phone]"),
        ("0049 (151) 234-5678", "[phone]"),
        ("(555) 123-4567 or 555-123-4567", "[phone] or [phone]"),
        ("06 12 34 56 78", "[phone]"),
        ("030/1234567", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("OPENAI_API_KEY=sk-proj-abcdefghijklmnopqrst", "OPENAI_API_KEY=[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]"),
        ("xoxb-123456789012-abcdef", "[key]"),
        ("Authorization: Bearer abcdefghijklmnop1234", "Authorization: [key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_def", "[key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n!", "[key]\n!"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "[key]"),
    ],
)
def test_what_is_redacted(text: str, expected: str) -> None:
    assert expected == ALL(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # no checksum of a card
        "DE89370400440532013001",
        "1700000000000 and 1700000000000000000",
        "01.02.2024, 01/02/2024, 2024-01-02T10:11:12+00:00, 2026-01-01T12:00:00.123456Z",
        "550e8400-e29b-41d4-a716-446655440000",
        "order 1234567890, v1.2.3, 10.0.0.1, 127.0.0.1:8080, 3.14159265358979",
        "1 000 000 000 at 12.50 each",
        "@ada, a@b, task-force, sk-short",
        "",
    ],
)
def test_what_is_not(text: str) -> None:
    assert text == ALL(text)


def test_each_kind_is_chosen_by_its_name() -> None:
    text = "ada@example.org 4111111111111111 GB82WEST12345698765432 +4915123456789 AKIAIOSFODNN7EXAMPLE"
    for kind, word in zip(("email", "card", "iban", "phone", "key"), text.split(), strict=True):
        assert text.replace(word, f"[{kind}]") == redactor((kind,))(text)


LINES = ["a", "@", "a@", "a.", "x@a.", "2 ", "234 ", "4111-", "4", "DE12 ", "DE12", "+1", "+1 (", "0 ", "012 ", "sk-",
         "eyJabcdefgh.", "-----BEGIN PRIVATE KEY----", "bearer    ", "(0123)", "-----BEGIN" + "A" * 30]  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", [*LINES, "random"])
def test_a_megabyte_of_anything_ends(part: str) -> None:
    dice = random.Random(part)
    alphabet = "0123456789 -+()@.aA/"
    text = part * (2**20 // len(part)) if part != "random" else "".join(dice.choices(alphabet, k=2**20))
    assert EMAIL not in ALL(f"{text} {EMAIL}")


@given(st.text(alphabet=st.sampled_from([*"0123456789 -+()@./aDEsk_eyJ=\n٣é"]), max_size=300) | st.text())
def test_whatever_comes_is_redacted_once(text: str) -> None:
    once = ALL(text)
    assert once == ALL(once)


async def test_nothing_that_is_recorded_leaves_as_it_was(face: Face, sink: Sink) -> None:
    order = re.compile(r"order-\d+")
    client = face.client(redact=[*REDACTABLE, order])
    session = client.create_session(id="u", attributes={"from": EMAIL})
    await result(session.start_conversation(attributes={"to": EMAIL}, properties={"card": CARD}))
    await result(session.track_conversation_turn(user=f"I am {EMAIL}", assistant=CARD, properties={"iban": IBAN}))
    await result(session.track_function_call(name="f", args={"mail": EMAIL, "n": 7}, result=f"ValueError: {CARD}"))
    await result(session.track_event(event="e", properties={"number": 4111111111111111, "count": 7, "is": True}))
    await result(session.track_feedback("thumbs_up", comment=f"order-17 of {EMAIL}"))
    await result(session.user_identify(traits={"email": EMAIL, "plan": "pro"}))
    await result(session.end_session(attributes={"last": EMAIL}))
    assert 8 == (await result(client.flush(20))).delivered
    started, conversation, turn, call, event, feedback, who, ended = sink.events
    assert {"from": "[email]"} == started["attributes"]
    assert ({"to": "[email]"}, {"card": "[card]"}) == (conversation["attributes"], conversation["properties"])
    assert {"user": "I am [email]", "assistant": "[card]", "iban": "[iban]"} == turn["properties"]
    assert ('{"mail": "[email]", "n": 7}', "ValueError: [card]") == tuple(
        call["properties"][name] for name in ("args", "result")
    )
    assert {"number": "[card]", "count": 7, "is": True} == event["properties"]
    assert "[redacted] of [email]" == feedback["properties"]["comment"]
    assert {"email": "[email]", "plan": "pro"} == who["traits"]
    assert {"last": "[email]"} == ended["attributes"]
    await result(client.user_identify(id="u", traits={"email": EMAIL}))
    for request in sink.requests:
        for secret in (EMAIL, CARD, IBAN, "4111111111111111", "order-17"):
            assert secret.encode() not in request.body


async def test_it_comes_after_before_send_and_beside_metadata_only(face: Face, sink: Sink) -> None:
    from attrs import evolve

    def added(event: Any) -> Any:
        return evolve(event, properties={"seen": EMAIL})

    client = face.client(redact="email", before_send=added, content_mode="metadata_only")
    await result(client.create_session(id="u").track_conversation_turn(user=EMAIL, assistant="ok"))
    await result(client.flush(20))
    (turn,) = sink.events
    assert {"seen": "[email]", "user": "", "assistant": "", "user_length": 15, "assistant_length": 2} == turn[
        "properties"
    ]


def read_all(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_nothing_of_it_touches_the_disk(face: Face, sink: Sink, tmp_path: Path) -> None:
    client = face.client(redact=True, spool=tmp_path, server_endpoint="http://127.0.0.1:9", spool_sync=0)
    await result(client.create_session(id="u").track_conversation_turn(user=f"to {EMAIL}", assistant=CARD))
    await result(client.flush(0.5))
    kept = read_all(tmp_path)
    assert b"to [email]" in kept
    assert EMAIL.encode() not in kept
    assert CARD.encode() not in kept


async def test_a_destination_gets_no_more_either(face: Face, sink: Sink) -> None:
    destination = (AsyncAlignAI if face.is_async else AlignAI)(
        api_key="k", project_id="p", api_host=sink.url, max_retry_wait=0.05
    )
    client = face.client(redact=True, destinations=[destination])
    session = client.create_session(id="u")
    await result(session.track_conversation_turn(user=f"I am {EMAIL}", assistant=CARD))
    await result(session.user_identify(traits={"email": EMAIL}))
    await result(client.flush(20))
    assert not [request for request in sink.requests if EMAIL.encode() in request.body or CARD.encode() in request.body]
    assert 4 == destination.stats().delivered


async def test_align_ai_gets_no_more(align_face: Face, sink: Sink) -> None:
    client = align_face.client(redact=True)
    await result(client.identify_user("u", display_name="Ada", email=EMAIL, custom_properties={"card": CARD}))
    await result(client.open_session("s", "u", custom_properties={"many": "a@b.de " * 36}))
    await result(client.create_message("s", 1, ROLE_USER, f"I am {EMAIL}"))
    await result(client.close_session("s"))
    assert 4 == (await result(client.flush())).delivered
    user, opened, message, _ = (event["decoded"] for event in sink.events)
    assert ("Ada", "[email]", {"card": "[card]"}) == (user.display_name, user.email, user.custom_properties)
    assert ("[email] " * 36)[:256] == opened.custom_properties["many"]
    assert "I am [email]" == message.content


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        (False, ()),
        (True, REDACTABLE),
        ("all", REDACTABLE),
        (" phone, email,", ("email", "phone")),
        (["phone", "phone"], ("phone",)),
        (re.compile("x"), (re.compile("x"),)),
        (("card", re.compile("x")), (re.compile("x"), "card")),
    ],
)
def test_the_setting_is_read(value: Any, expected: Any) -> None:
    settings = Settings.load({"enabled": False, "redact": value})
    assert expected == settings.redact
    assert expected == pickle.loads(pickle.dumps(settings.redact))


@pytest.mark.parametrize(
    "value", ["names", ["email", 7], 7, [re.compile(b"x")], [re.compile("x*")], {"email": []}.items()]
)
def test_what_cannot_be_redacted_is_refused(value: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"redact \(environment: MLSDK_REDACT\) must"):
        Client(api_key="k", project_id="p", redact=value)


async def test_the_environment_names_kinds(face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSDK_REDACT", "email,card")
    client = face.client()
    await result(client.create_session().track_conversation_turn(user=EMAIL, assistant="+4915123456789"))
    await result(client.flush(20))
    assert ("[email]", "+4915123456789") == tuple(sink.events[0]["properties"][name] for name in ("user", "assistant"))
