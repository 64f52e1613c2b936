"""Random sessions as a client would send them, for the tests of what is read back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

START = datetime(2025, 4, 3, 23, 50, tzinfo=timezone.utc)
TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "\n", "Where is my parcel?", "null", "0", "<b>&amp;</b>", "naïve 日本 🫖", '"quoted", \\']
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
IDS = st.sampled_from(["ada", "bob", "ml_own", "日本", "a b", "0"])
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
NAMES = st.one_of(st.sampled_from(["color", "error", "name", "turn", "role", "", "a.b"]), st.text("äbc", max_size=3))
OWN = ("user", "assistant", "assistant_id", "name", "args", "result", "runtime", "cost", "model")
PROPERTIES = st.dictionaries(NAMES.filter(lambda name: name not in OWN), SCALARS, max_size=3)
COUNTS = st.one_of(st.integers(0, 5000), st.just(2**60))
USAGES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"cost": st.floats(-1, 5) | st.integers(0, 3)}),
    st.fixed_dictionaries(
        {"model": st.sampled_from(["gpt-5", "m" * 100]), "prompt_tokens": COUNTS, "completion_tokens": COUNTS},
        optional={
            "cached_tokens": COUNTS,
            "reasoning_tokens": COUNTS,
            "cost": st.floats(0, 5),
        },
    ),
    st.fixed_dictionaries({"prompt_tokens": COUNTS}, optional={"completion_tokens": COUNTS, "cached_tokens": SCALARS}),
    st.fixed_dictionaries({"model": SCALARS}),
)


def turns() -> st.SearchStrategy[dict[str, Any]]:
    own = st.fixed_dictionaries({"user": TEXTS, "assistant": TEXTS}, optional={"assistant_id": IDS})
    return st.tuples(PROPERTIES, USAGES, own).map(lambda parts: of("Conversation Turn", *parts))


def calls() -> st.SearchStrategy[dict[str, Any]]:
    texts = {"args": TEXTS, "result": TEXTS, "runtime": st.integers(0, 9000) | st.floats(0, 9000)}
    own = st.fixed_dictionaries({"name": IDS}, optional=texts)
    return st.tuples(PROPERTIES, own).map(lambda parts: of("Conversation Function", *parts))


def usages() -> st.SearchStrategy[dict[str, Any]]:
    whole = USAGES.filter(lambda usage: "cost" in usage or ("model" in usage and "completion_tokens" in usage))
    return st.tuples(PROPERTIES, whole).map(lambda parts: of("Conversation Usage", *parts))


def customs() -> st.SearchStrategy[dict[str, Any]]:
    feedback = st.fixed_dictionaries(
        {"feedback": st.sampled_from(["thumbs_up", "thumbs_down"])}, optional={"turn": COUNTS}
    )
    return st.one_of(
        PROPERTIES.map(lambda properties: of("Bought", properties)),
        feedback.map(lambda properties: of("Feedback", properties)),
    )


def of(event: str, *parts: dict[str, Any]) -> dict[str, Any]:
    properties = {name: value for part in parts for name, value in part.items()}
    return {"type": "track", "event": event, "properties": properties}


@st.composite
def session(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """The events of one session, in the order in which they are sent."""
    at = START + timedelta(minutes=draw(st.integers(0, 20)), microseconds=draw(st.integers(0, 10)))
    whom = draw(
        st.sampled_from(
            [{"user_id": "ada"}, {"user_id": "bob"}, {"device_id": f"d{number}"}, {"user_id": "eve", "device_id": "d"}]
        )
    )
    events: list[dict[str, Any]] = []

    def add(event: dict[str, Any]) -> None:
        nonlocal at
        at += timedelta(seconds=draw(st.sampled_from([0, 1, 7, -3])), milliseconds=draw(st.integers(0, 2)))
        when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        events.append({"session_id": f"s{number}", **whom, "timestamp": when, **event})

    if draw(st.booleans()):
        add({"type": "start_session", "attributes": draw(PROPERTIES)})
    if draw(st.booleans()):
        add({"type": "identify", "id": whom.get("user_id"), "traits": draw(PROPERTIES)})
    if "user_id" in whom and draw(st.booleans()):
        add({"type": "alias", "id": f"{whom['user_id']}@x.org", "previous_id": whom["user_id"]})
    inside = st.one_of(turns(), calls(), usages(), customs(), st.sampled_from(["start", "end"]))
    for _ in range(draw(st.integers(0, 8))):
        conversation_id = draw(st.sampled_from(["c1", "c2", None]))
        if conversation_id is None:
            add(draw(customs()))
            continue
        event = draw(inside)
        if isinstance(event, str):
            name = "Conversation Started" if event == "start" else "Conversation Ended"
            event = {**of(name, draw(PROPERTIES)), "attributes": draw(PROPERTIES)}
        add({**event, "conversation_id": conversation_id})
    if draw(st.booleans()) or not events:
        add({"type": "end_session", "attributes": draw(PROPERTIES)})
    return events


@st.composite
def recorded(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Several sessions."""
    return [draw(session(number)) for number in range(draw(st.integers(1, 4)))]
