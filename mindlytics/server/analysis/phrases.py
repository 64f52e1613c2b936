"""Recognises requests by the form of an English sentence: ``I have to move my appointment`` is "move appointment".

The name of a request is a verb and its object, without articles and courtesies. It serves for counting. A sentence of
an unknown form counts as no request.
"""

from __future__ import annotations

import re

from .words import CLAUSE_END, EMPTY, END, SKIPPED, VERBS

MAX_WORDS = 5
"""Most words of an object. A longer name would be harder to group."""

_PAUSE = re.compile(r'[,:()"\u201c\u201d]')
_SENTENCE = re.compile(r"[^.!?\n;]+[.!?]*")
_WORD = re.compile(r"[^\W_](?:[\w'.-]*\w)?")

_GREETING = re.compile(
    r"^[\s,]*(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|thanks?(?: you)?(?: very much| so much| a lot)?"
    r"|yes|no|ok|okay|great|perfect|sure|well|so|and|but|also|then|now|please|sorry|excuse me|there)\b[\s,:!-]*)+",
    re.IGNORECASE,
)
_I = r"(?:i|we)"
_WANT_TO = re.compile(
    rf"\b{_I}(?:\s+(?:really|just|also|still|only))?(?:'d|'m|'re|\s+would|\s+am|\s+are)?(?:\s+(?:really|just))?"
    r"\s+(?:want|need|have|like|love|wish|try|trying|hope|hoping|plan|planning|going|got)\s+to\s+(?P<rest>\w.*)",
    re.IGNORECASE,
)
_WANT = re.compile(
    rf"\b{_I}(?:\s+(?:really|just|also|still|only))?(?:'d|\s+would)?\s+(?:want|need|like)\s+(?P<rest>\w.*)",
    re.IGNORECASE,
)
_HAVE = re.compile(
    rf"\b(?:{_I}(?:'ll|\s+will)\s+(?:have|take)|(?:can|could|may)\s+{_I}(?:\s+please)?\s+(?:have|get)"
    rf"|{_I}(?:'m|\s+am|'re|\s+are)\s+looking\s+for)\s+(?P<rest>\w.*)",
    re.IGNORECASE,
)
_CAN_YOU = re.compile(
    r"\b(?:can|could|will|would)\s+you\s+(?:please\s+|kindly\s+|just\s+|also\s+)*(?P<rest>\w.*)", re.IGNORECASE
)
_CAN_I = re.compile(
    rf"\b(?:can|could|may|how\s+(?:do|can|should|would))\s+{_I}\s+(?:please\s+)?(?P<rest>\w.*)", re.IGNORECASE
)
_PLEASE = re.compile(r"\bplease\s+(?P<rest>\w.*)", re.IGNORECASE)
_SOMETHING_PLEASE = re.compile(r"^(?P<rest>.*\w)[\s,]+please[\s.!?]*$", re.IGNORECASE)
_QUESTION = re.compile(
    r"^(?:(?:what|which|where|when|who|whose|why|how)\b|(?:is|are|was|were|do|does|did|has|have|will)\s+(?:there|it|you|your"
    r"|the|this|that|my|our|i|we|they|he|she|a|an|any)\b)(?P<rest>.*)",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text with plain apostrophes."""
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def request_in(text: str) -> str | None:
    """The name of the first request in a text, in lower case, or None."""
    for sentence in _SENTENCE.findall(plain(text)):
        said = sentence.strip()
        greeting = _GREETING.match(said)
        name = _request(said[greeting.end() :] if greeting else said)
        if name is not None:
            return name
    return None


def _request(sentence: str) -> str | None:
    """The request in one sentence. The forms are tried from the clearest to the vaguest."""
    lowered = sentence.lower()
    words = set(lowered.split())
    sure = sentence.isascii()  # a form may also match letters whose other case is ASCII, as that of the long s is
    for form, needed, name in _FORMS:
        if not (sure and words.isdisjoint(needed)) and (found := form.search(sentence)):
            return name(found["rest"])
    if (word := _WORD.search(lowered)) and word[0] in VERBS:
        return _verb_and_object(sentence)
    if not sure or "please" in lowered:
        if (found := _PLEASE.search(sentence)) and (word := _WORD.search(found["rest"].lower())) and word[0] in VERBS:
            return _verb_and_object(found["rest"])
        if found := _SOMETHING_PLEASE.match(sentence):
            return _get(found["rest"])
    if found := _QUESTION.match(sentence):
        about = _words(found["rest"], SKIPPED | EMPTY, CLAUSE_END)
        return f"ask about {' '.join(about)}" if about else None
    return None


def _verb_and_object(rest: str) -> str | None:
    words = _WORD.findall(rest.lower())
    if not words:
        return None
    verb = words[0]
    if verb == "help" and len(words) > 2 and words[1] in ("me", "us"):
        return _verb_and_object(rest[rest.lower().index(words[1]) + 2 :])
    if verb in ("know", "ask", "tell"):
        about = _words(rest.split(None, 1)[-1], SKIPPED | EMPTY, CLAUSE_END)
        return f"ask about {' '.join(about)}" if about else None
    wanted = _words(rest[rest.lower().index(verb) + len(verb) :], SKIPPED, END)
    return f"{verb} {' '.join(wanted)}" if wanted else None


def _get(rest: str) -> str | None:
    wanted = _words(rest, SKIPPED | {"have", "get"}, END)
    return f"get {' '.join(wanted)}" if wanted else None


def _words(text: str, skipped: frozenset[str] | set[str], ends: frozenset[str]) -> list[str]:
    """The words up to the end of a phrase, without those to skip."""
    found: list[str] = []
    for word in _WORD.findall(_PAUSE.split(text, maxsplit=1)[0].lower()):
        if found and word in ends:
            break
        if word not in skipped and word not in ends:
            found.append(word)
        if len(found) == MAX_WORDS:
            break
    return found


_FORMS = (
    (_WANT_TO, {"to"}, _verb_and_object),
    (_CAN_YOU, {"you"}, _verb_and_object),
    (_HAVE, {"have", "take", "get", "looking"}, _get),
    (_WANT, {"want", "need", "like"}, _get),
    (_CAN_I, {"i", "we"}, _verb_and_object),
)
"""The clearest forms. Each needs one of these words."""
