"""The server's default analysis: rules and word lists, fast and deterministic.

It is made for English and claims little. It recognises a request by its form, or else by the function called for it,
and its outcome by the last call and the last answer. ``phrases.py`` recognises requests, and ``sentiment.py`` feelings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import define, field

from ...validators import MAX_NAME
from . import Call, Dialogue, Findings, Intent, Step, Turn
from .phrases import plain, request_in
from .sentiment import MAX_TEXT, scores, verdict

MAX_INTENTS = 20
"""Most intents of a conversation. Later requests count as part of the last one."""

MAX_QUOTE = 80
"""Most characters of a quoted text."""

_ERROR = re.compile(
    r"\s*(?:error|exception|traceback|failed|failure)\b"
    r'|.*?"(?:error|exception)"\s*:(?!\s*(?:null|false|""|\{\}|\[\]))'
    r'|.*?"(?:ok|success)"\s*:\s*false',
    re.IGNORECASE | re.DOTALL,
)
_REFUSAL = re.compile(
    r"\b(?:can ?not|can't|unable to|not able to|could ?n't|could not|unfortunately|not possible"
    r"|i (?:do not|don't) know|i(?: am|'m) afraid|(?:i am|i'm),? (?:so |very )?sorry)\b",
    re.IGNORECASE,
)
_OF_REFUSAL = (
    *("can't", "cannot", "can not", "couldn't", "could n't", "could not", "unable", "not able", "unfortunately"),
    *("not poss", "don't know", "do not know", "afra", "orry"),
)
"""Each refusal has one of these. They have no i and no s, which also equal other letters where the case is ignored."""


@define
class _Wish:
    """A request, with the steps until the next one."""

    name: str
    informed: int
    last: int
    answer: str = ""
    call: Call | None = None
    scores: list[float] = field(factory=list)

    def called(self, place: int, call: Call) -> None:
        self.last, self.call = max(self.last, place), call

    def answered(self, place: int, turn: Turn) -> None:
        self.last, self.answer = place, turn.assistant

    @property
    def fulfilled(self) -> bool:
        """Whether a call succeeded or, without calls, an answer was more than a refusal. Either way, an
        answer must follow.
        """
        if not self.answer.strip():
            return False
        return not (refused(self.answer) if self.call is None else failed(self.call))

    @property
    def outcome(self) -> str:
        """Its outcome in one line."""
        if not self.answer.strip():
            return "Not answered."
        if self.call is not None:
            return f"{self.call.name} {'failed' if failed(self.call) else 'was called'}, then: {_quote(self.answer)}"
        return f"Answered: {_quote(self.answer)}"


def analyse(dialogue: Dialogue) -> Findings:
    """Apply the rules to a conversation."""
    turns = {place: step for place, step in enumerate(dialogue.steps) if isinstance(step, Turn)}
    found = scores([turn.user for turn in turns.values()], [turn.assistant for turn in turns.values()])
    wishes = _wishes(dialogue.steps, {} if found is None else dict(zip(turns, found, strict=True)))
    fulfilled = [wish.fulfilled for wish in wishes]
    return Findings(
        summary=_summary(dialogue.steps, wishes, fulfilled),
        sentiment=None if found is None else verdict(found),
        intents=[
            Intent(
                name=wish.name,
                informed=wish.informed,
                fulfilled=is_fulfilled,
                closed=wish.last if is_fulfilled or wish is not wishes[-1] else None,
                summary=wish.outcome,
                sentiment=None if found is None else verdict(wish.scores),
            )
            for wish, is_fulfilled in zip(wishes, fulfilled, strict=True)
        ],
    )


def failed(call: Call) -> bool:
    """Whether the result of a call reports an error."""
    return _ERROR.match((call.result or "")[:MAX_TEXT]) is not None


def refused(answer: str) -> bool:
    """Whether an answer is a refusal."""
    text = plain(answer[:MAX_TEXT])
    lowered = text.lower()
    return any(part in lowered for part in _OF_REFUSAL) and _REFUSAL.search(text) is not None


def _wishes(steps: Sequence[Step], scores: dict[int, float]) -> list[_Wish]:
    """The requests in their order. A call belongs to the turn after it, or to the one before if that still
    lacks an answer.

    :param scores: the turns' sentiment scores, by index.
    """
    wishes: list[_Wish] = []
    calls: list[tuple[int, Call]] = []
    unanswered = False
    for place, step in enumerate(steps):
        if isinstance(step, Call):
            calls.append((place, step))
            continue
        if unanswered:
            _serve(wishes, calls)
        name = request_in(step.user[:MAX_TEXT])
        if name is None and calls and not wishes:
            name = re.sub(r"[\W_]+", " ", calls[0][1].name).strip().lower()
        name = name and name[:MAX_NAME]
        if name and len(wishes) < MAX_INTENTS and all(wish.name != name for wish in wishes):
            wishes.append(_Wish(name, place, place))
        _serve(wishes, calls)
        if wishes:
            wishes[-1].answered(place, step)
            wishes[-1].scores.append(scores.get(place, 0.0))
        unanswered = not step.assistant
    _serve(wishes, calls)
    return wishes


def _serve(wishes: Sequence[_Wish], calls: list[tuple[int, Call]]) -> None:
    """Add the calls to the newest request, if there is one."""
    if wishes:
        for called in calls:
            wishes[-1].called(*called)
        calls.clear()


def _summary(steps: Sequence[Step], wishes: Sequence[_Wish], fulfilled: Sequence[bool]) -> str:
    if wishes:
        outcomes = ("fulfilled" if each else "not fulfilled" for each in fulfilled)
        return "; ".join(f"{wish.name} ({outcome})" for wish, outcome in zip(wishes, outcomes, strict=True))
    said = next(
        (step.user or step.assistant for step in steps if isinstance(step, Turn) and step.user + step.assistant), ""
    )
    if said:
        return f"No request was recognised. It began with: {_quote(said)}"
    called = dict.fromkeys(step.name for step in steps if isinstance(step, Call))
    return f"Nothing was said; called: {', '.join(called)}" if called else "Nothing was said."


def _quote(text: str) -> str:
    words = " ".join(text[: 4 * MAX_QUOTE].split())
    return f'"{words if len(words) <= MAX_QUOTE else words[: MAX_QUOTE - 1].rstrip() + "…"}"'
