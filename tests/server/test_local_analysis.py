"""What the built-in analysis finds: intents and their outcomes, sentiment, a summary, or nothing."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vader import SentimentIntensityAnalyzer

from mindlytics.server.analysis import Call, Dialogue, Findings, Step, Turn
from mindlytics.server.analysis.local import MAX_INTENTS, analyse, failed
from mindlytics.server.analysis.phrases import request_in
from mindlytics.server.analysis.sentiment import english, scores, verdict

AT = datetime(2025, 4, 3, tzinfo=timezone.utc)


def turn(user: str, assistant: str = "Yes.") -> Turn:
    return Turn(at=AT, user=user, assistant=assistant)


def call(name: str, result: str | None = '{"ok": true}') -> Call:
    return Call(at=AT, name=name, result=result)


def found(*steps: Step) -> Findings:
    return analyse(Dialogue(session_id="s", conversation_id="c", started_at=AT, ended_at=AT, steps=steps))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Hi, I have to move my appointment.", "move appointment"),
        ("I want to hang a shelf on plasterboard. Books, so it gets heavy.", "hang shelf"),
        ("I\N{RIGHT SINGLE QUOTATION MARK}d like to cancel my subscription, it's too expensive", "cancel subscription"),
        ("I'd like a refund for order 2201", "get refund"),
        ("We are looking for a red bicycle", "get red bicycle"),
        ("can i get a large coffee with oat milk", "get large coffee"),
        ("one Chai Latte please", "get chai latte"),
        ("one Chai Latte plea\N{LATIN SMALL LETTER LONG S}e", "get chai latte"),
        ("can \N{LATIN SMALL LETTER DOTLESS I} get a large coffee", "get large coffee"),
        ("MAY \N{LATIN CAPITAL LETTER I WITH DOT ABOVE} HAVE A LARGE COFFEE", "get large coffee"),
        ("I'm looking for\ta red bicycle", "get red bicycle"),
        ("Can you help me reset my password?", "reset password"),
        ("Could you tell me about your opening hours?", "ask about opening hours"),
        ("how do I change my delivery address?", "change delivery address"),
        ("Please send me the invoice.", "send invoice"),
        ("cancel my order", "cancel order"),
        ("Thank you. Is there a pool?", "ask about pool"),
        ("Where is my parcel?", "ask about parcel"),
        ("do you do travel vaccinations without an appointment", "ask about travel vaccinations"),
        ("I need to know where my package is", "ask about package"),
        ("Great, four please.", None),
        ("So which one do I need?", None),
        ("80 cm. No idea about studs, I rent.", None),
        ("Yes please!", None),
        ("That was great, thanks!", None),
        ("Ich möchte meine Bestellung stornieren", None),
        ("予約を変更したいです。", None),
        ("", None),
        ("?!…\n\n", None),
    ],
)
def test_a_request_is_recognised_by_its_form(said: str, name: str | None) -> None:
    assert name == request_in(said)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_borne(user: str, assistant: str) -> None:
    findings = found(turn(user, assistant), call("f", user), turn(assistant, user))
    assert findings.summary
    assert all(0 < len(intent.name) <= 100 for intent in findings.intents)
    assert findings == found(turn(user, assistant), call("f", user), turn(assistant, user))


@pytest.mark.parametrize(
    "unit", ["i ", "please ", "i would like to ", "a,", "….!?", "x", "\n", '"error": ', "can you "]
)
def test_a_huge_text_takes_no_time(unit: str) -> None:
    began = time.thread_time()
    text = unit * (1_000_000 // len(unit))
    assert found(turn(text, text), call("f", text)).summary
    assert time.thread_time() - began < 5  # it takes some milliseconds, and quadratic code would take hours


def test_an_intent_is_settled_by_the_call_that_followed() -> None:
    findings = found(
        turn("Hi, I have to move my appointment.", "Of course. Which day was it on?"),
        turn("Thursday, with Dr. Osei.", "One moment."),
        call("free_times"),
        turn("Anything next week?", "Monday at 8:40 is free."),
        call("move_appointment"),
        turn("Yes please!", "Done. See you on Monday."),
    )
    (intent,) = findings.intents
    assert ("move appointment", 0, 5, True) == (intent.name, intent.informed, intent.closed, intent.fulfilled)
    assert 'move_appointment was called, then: "Done. See you on Monday."' == intent.summary
    assert "move appointment (fulfilled)" == findings.summary


def test_what_is_asked_next_closes_what_was_asked_before() -> None:
    findings = found(
        turn("Where is my parcel?", "It arrives tomorrow."),
        turn("Can you cancel the order?", "Unfortunately it is on its way."),
        turn("I would like a refund.", ""),
    )
    assert [
        ("ask about parcel", 0, 0, True),
        ("cancel order", 1, 1, False),
        ("get refund", 2, None, False),
    ] == [(i.name, i.informed, i.closed, i.fulfilled) for i in findings.intents]
    assert "ask about parcel (fulfilled); cancel order (not fulfilled); get refund (not fulfilled)" == findings.summary


def test_the_same_request_again_is_one_intent() -> None:
    assert 1 == len(found(turn("Where is my parcel?"), turn("And where is my parcel?")).intents)


def test_a_request_without_a_form_is_named_by_the_function_called_for_it() -> None:
    findings = found(call("find_flights"), call("hold-offer"), turn("Lyon to Porto on the 14th, two people.", "Held."))
    assert [("find flights", 2, True)] == [(i.name, i.informed, i.fulfilled) for i in findings.intents]


def test_calls_after_a_question_without_an_answer_are_for_that_question() -> None:
    findings = found(turn("Where is my parcel?", ""), call("track_parcel"), turn("", "It is in Lyon."))
    (intent,) = findings.intents
    assert ("ask about parcel", 2, True) == (intent.name, intent.closed, intent.fulfilled)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"error": "sold out"}', True),
        ('{"held": null, "ok": false}', True),
        ("Error: no such table", True),
        ("Traceback (most recent call last)", True),
        ('{"error": null, "held": "A2"}', False),
        ('{"errors": []}', False),
        ('["error codes explained"]', False),
        ("", False),
        (None, False),
    ],
)
def test_a_call_that_failed(result: str | None, expected: bool) -> None:
    assert expected == failed(call("f", result))


def test_a_failed_call_is_made_good_by_one_that_is_not() -> None:
    hold = [turn("Can you hold the flight?", ""), call("hold", '{"error": "sold out"}')]
    assert [False] == [i.fulfilled for i in found(*hold, turn("", "It sold out.")).intents]
    assert [True] == [i.fulfilled for i in found(*hold, call("hold"), turn("", "I hold another one.")).intents]


def test_there_is_an_end_to_intents() -> None:
    intents = found(*(turn(f"Can you cancel order {number}?") for number in range(100))).intents
    assert MAX_INTENTS == len(intents)
    assert 99 == intents[-1].closed


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Great, thanks, that was perfect!"], "positive"),
        (["This is useless, I want my money back.", "Still broken!"], "negative"),
        (["The meeting is at three."], "neutral"),
        (["Where is my parcel?", "Thanks, great!"], "positive"),
        (["Not bad at all :)"], "positive"),
        (["Wann kommt die Bestellung? Ich warte seit Tagen."], "neutral"),  # "die" is a sad word in English
        ([""], "neutral"),
        ([], "neutral"),
    ],
)
def test_sentiment(texts: list[str], expected: str) -> None:
    found = scores(texts)
    assert found is not None
    assert expected == verdict(found)


PIECES = [
    *(
        "the",
        "to",
        "I",
        "boots",
        "7",
        "GREAT",
        "great!",
        "(good)",
        "bad",
        "no",
        "not",
        "but",
        "very",
        "kind",
        "of",
        "least",
    ),
    *(
        "CAN'T",
        "can\N{RIGHT SINGLE QUOTATION MARK}t",
        "stand",
        "fed",
        "up,",
        "in",
        "RED",
        "red",
        "to",
        "die",
        "for",
        "o.o",
    ),
    *(
        ":)",
        ":),",
        "...",
        "?",
        "!!",
        "(",
        "'}{'",
        ")",
        "\N{GRINNING FACE}",
        "\u2764\ufe0f",
        "\u2018good\u2019",
        "na\u00efve",
    ),
    *(
        "\u20147",
        "\u00a9",
        "\u0130",
        "\n",
        "\x1c",
        "7\ufe0f\u20e3",
        "bad\u200d",
        "break",
        "a",
        "leg",
        "upper",
        "hand",
        "8)",
    ),
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["", " ", "  "]))
def test_a_score_is_that_of_vader(pieces: list[str], gap: str) -> None:
    text = gap.join(pieces)
    assert [SentimentIntensityAnalyzer().polarity_scores(text)["compound"]] == scores(
        [text], ["what is it to you"] * 50
    )


def test_a_text_without_a_word_of_the_lexicon_spares_the_work_of_vader(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def polarity_scores(_: object, text: str) -> dict[str, float]:
        read.append(text)
        return {"compound": 0.5}

    monkeypatch.setattr(SentimentIntensityAnalyzer, "polarity_scores", polarity_scores)
    assert [0.0, 0.5, 0.5] == scores(["The meeting is at three.", "That is great!", "\N{GRINNING FACE}"])
    assert ["That is great!", "\N{GRINNING FACE}"] == read


def test_without_a_lexicon_nothing_is_said_about_sentiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.server.analysis.sentiment._score", lambda: None)
    findings = found(turn("Where is my parcel? This is terrible."))
    assert (None, None) == (findings.sentiment, findings.intents[0].sentiment)
    assert "ask about parcel (fulfilled)" == findings.summary


def test_english_is_recognised_among_other_languages() -> None:
    assert english(["Where is my parcel?"])
    assert english(["Madrid."])
    assert not english(["Où est mon colis, s'il vous plaît ?"])
    assert not english(["¿Dónde está el paquete que pedí ayer?"])


def test_a_text_that_begins_in_english_is_english_whatever_follows() -> None:
    assert english(["The order is here. " * 20, "xx " * 200])
    assert not english(["The order is here.", "xx " * 200])


def test_conversations_without_words() -> None:
    assert "Nothing was said." == found().summary
    assert "Nothing was said." == found(turn("", "")).summary
    assert "Nothing was said; called: f, g" == found(call("f"), call("g"), call("f")).summary
    assert 'No request was recognised. It began with: "Madrid."' == found(turn("Madrid.", "")).summary
    assert f'No request was recognised. It began with: "{"a " * 39}a…"' == found(turn("a " * 1000)).summary
