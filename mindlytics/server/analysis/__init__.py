"""The input and output of an analysis of a conversation. Plug in a model of your own here.

An analysis is a function from a :class:`Dialogue` to :class:`Findings`. ``local.py`` is the server's default.
``background.py`` calls the analysis and stores its findings. ``counted.py`` counts turns, tokens and cost for
every analysis.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Union

from attrs import Attribute, field, frozen
from attrs.validators import deep_iterable, instance_of, optional

from ...errors import MindlyticsError

SENTIMENTS = ("positive", "negative", "neutral")


@frozen(kw_only=True)
class Turn:
    """What the user said and what the assistant answered. Either may be empty."""

    at: datetime
    user: str
    assistant: str


@frozen(kw_only=True)
class Call:
    """A function that the assistant called, with its ``runtime`` in milliseconds."""

    at: datetime
    name: str
    args: str | None = None
    result: str | None = None
    runtime: float = 0


Step = Union[Turn, Call]


@frozen(kw_only=True)
class Dialogue:
    """An ended conversation.

    :param steps: its turns and function calls, by time. A call comes before the turn that most of it overlaps. A very
        long conversation has only its last steps.
    """

    session_id: str
    conversation_id: str
    started_at: datetime
    ended_at: datetime
    steps: Sequence[Step]


def _sentiment(_: Any, attribute: Attribute[Any], value: object) -> None:
    if value not in (None, *SENTIMENTS):
        raise ValueError(f"{attribute.name} must be one of {', '.join(SENTIMENTS)}, or None")


def _place(_: Any, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{attribute.name} must be the index of a step")


@frozen(kw_only=True)
class Intent:
    """Something that the user wanted.

    :param name: its name, for counting and grouping: ``move appointment``.
    :param informed: the index of the step that expressed it.
    :param closed: the index of the step that settled it. None: the end of the conversation did.
    :param fulfilled: whether the user got it.
    :param summary: one line.
    """

    name: str = field(validator=instance_of(str))
    informed: int = field(validator=_place)
    fulfilled: bool = field(validator=instance_of(bool))
    closed: int | None = field(default=None, validator=optional(_place))
    summary: str | None = field(default=None, validator=optional(instance_of(str)))
    sentiment: str | None = field(default=None, validator=_sentiment)


@frozen(kw_only=True)
class Findings:
    """What an analysis found. Unknown fields are None.

    :param summary: one line.
    :param sentiment: the user's sentiment: ``positive``, ``negative`` or ``neutral``.
    :param intents: in any order.
    """

    summary: str | None = field(default=None, validator=optional(instance_of(str)))
    sentiment: str | None = field(default=None, validator=_sentiment)
    intents: Sequence[Intent] = field(default=(), validator=deep_iterable(instance_of(Intent)))


Analysis = Callable[[Dialogue], Findings]


class AnalysisError(MindlyticsError):
    """An analysis is unusable. The message says why."""


def load(name: str) -> Analysis | None:
    """Load an analysis: ``package.module:name``, ``local``, or ``none``, which returns None.

    :raises AnalysisError: the module or function does not exist.
    """
    if name == "none":
        return None
    if name == "local":
        name = f"{__name__}.local:analyse"
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise AnalysisError(f"an analysis is named package.module:name, or local, or none; not {name}")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise AnalysisError(f"the analysis {name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise AnalysisError(f"the analysis {name} is not a function")
    analysis: Analysis = found
    return analysis


def name_of(analysis: Analysis) -> str:
    """The name of an analysis in the events that it makes."""
    module = getattr(analysis, "__module__", None) or type(analysis).__module__
    name = getattr(analysis, "__qualname__", None) or type(analysis).__qualname__
    return "local" if module == f"{__name__}.local" else f"{module}:{name}"
