"""The analysis of exported rows, conversation by conversation, in one process or in the partitions of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypedDict, Union, cast

from attrs import asdict

from .rows import Row

if TYPE_CHECKING:
    from ..server.analysis import Dialogue, Findings

Values = Mapping[str, object]


class Finding(TypedDict):
    """What the analysis found in a conversation.

    ``sentiment`` is ``positive``, ``negative`` or ``neutral``. ``intents`` are those found, and ``fulfilled`` of them
    were fulfilled.
    """

    session_id: str
    conversation_id: str
    summary: str | None
    sentiment: str | None
    intents: int
    fulfilled: int


class _Arrow(Protocol):
    def to_pylist(self) -> list[dict[str, object]]: ...


class _Polars(Protocol):
    def iter_rows(self, *, named: bool) -> Iterator[dict[str, object]]: ...


class _Pandas(Protocol):
    def to_dict(self, orient: str) -> list[dict[str, object]]: ...


Table = Union[Iterable[Union[Row, Values]], _Arrow, _Polars, _Pandas]


def analyse(dialogue: Dialogue) -> Findings:
    """Analyse a conversation as the local server does: its intents, sentiment and a summary."""
    from ..server.analysis.local import analyse as local  # noqa: PLC0415  needs the extra local

    return local(dialogue)


def dialogues(turns: Table, calls: Table = ()) -> Iterator[Dialogue]:
    """Make conversations of the rows of turns and calls, in the order of their first turn.

    All rows of a conversation must be among these. Rows are held in memory until the last one is read.

    :param turns: rows as ``turns()`` has them, or a table of them: of pyarrow, pandas, polars or dicts.
    :param calls: the same of ``calls()``.
    """
    from ..server.analysis import Call, Dialogue, Step, Turn  # noqa: PLC0415

    steps: dict[tuple[str, str], list[tuple[datetime, int, Step]]] = {}
    for row in _rows(calls):
        runtime = cast("float | None", row["runtime"]) or 0.0
        at = _time(row["timestamp"])
        texts = {name: None if row[name] is None else str(row[name]) for name in ("args", "result")}
        call = Call(at=at, name=str(row["name"]), runtime=runtime, **texts)
        steps.setdefault(_key(row), []).append((at - timedelta(milliseconds=runtime / 2), 0, call))
    order: dict[tuple[str, str], None] = {}
    for row in _rows(turns):
        order[_key(row)] = None
        at = _time(row["timestamp"])
        turn = Turn(at=at, user=str(row["user"]), assistant=str(row["assistant"]))
        steps.setdefault(_key(row), []).append((at, 1, turn))
    for session_id, conversation_id in {**order, **dict.fromkeys(steps)}:
        found = sorted(steps[session_id, conversation_id], key=lambda step: step[:2])
        times = [step.at for _, _, step in found]
        yield Dialogue(
            session_id=session_id,
            conversation_id=conversation_id,
            started_at=min(times),
            ended_at=max(times),
            steps=[step for _, _, step in found],
        )


def findings(turns: Table, calls: Table = (), analysis: Callable[[Dialogue], Findings] = analyse) -> list[Finding]:
    """Analyse all conversations of some rows. See :func:`dialogues`.

    :param analysis: an analysis of your own.
    """
    return [_finding(dialogue, analysis(dialogue)) for dialogue in dialogues(turns, calls)]


def _finding(dialogue: Dialogue, found: Findings) -> Finding:
    return {
        "session_id": dialogue.session_id,
        "conversation_id": dialogue.conversation_id,
        "summary": found.summary,
        "sentiment": found.sentiment,
        "intents": len(found.intents),
        "fulfilled": sum(intent.fulfilled for intent in found.intents),
    }


def _rows(table: Table) -> Iterator[Values]:
    if hasattr(table, "to_pylist"):
        yield from table.to_pylist()
    elif hasattr(table, "iter_rows"):
        yield from table.iter_rows(named=True)
    elif hasattr(table, "to_dict"):
        for row in table.to_dict("records"):
            yield {name: None if value != value else value for name, value in row.items()}  # noqa: PLR0124  NaN
    else:
        for each in table:
            yield asdict(each, recurse=False) if isinstance(each, Row) else each


def _key(row: Values) -> tuple[str, str]:
    return str(row["session_id"]), str(row["conversation_id"])


def _time(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value
