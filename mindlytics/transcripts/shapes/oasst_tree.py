"""Trees of OpenAssistant: a ``prompt`` with ``replies``, or flat messages of ``prompter`` and assistant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..context import Context, an_id, an_object
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import Shape
from .openai_chat import first_moment
from .trees import leave_others, newest_path

ROLES = {"prompter": "user", "assistant": "assistant"}


def detects(record: Any) -> bool:
    """A tree, or a message of one."""
    if not isinstance(record, dict):
        return False
    return ("message_tree_id" in record and "prompt" in record) or (
        record.get("role") in ROLES and "message_id" in record and "parent_id" in record
    )


def group(record: Any, context: Context) -> str:
    """The tree."""
    if "prompt" in record:
        an_object("prompt", record["prompt"])
    return str(record.get("message_tree_id"))


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversation along the best replies."""
    tree = records[0].value
    if "prompt" in tree:
        roots = [tree["prompt"]]
        below: dict[Any, list[Any]] = {}
    else:
        messages = [record.value for record in records]
        below = {}
        for each in messages:
            below.setdefault(each.get("parent_id"), []).append(each)
        roots = below.get(None, [])

    def children(node: Any) -> list[Any]:
        found = [*(node.get("replies") or []), *below.get(node.get("message_id"), [])]
        return [each for each in found if isinstance(each, dict) and not each.get("deleted")]

    def rank(node: Any) -> Any:
        place = node.get("rank")
        return (isinstance(place, int), -place if isinstance(place, int) else 0, str(node.get("created_date")))

    path = newest_path([each for each in roots if not each.get("deleted")], children, rank)
    leave_others(context, _size(roots, below), len(path))
    talk = Talk(an_id(tree.get("message_tree_id")), user_id=an_id(path[0].get("user_id")) if path else None)
    with_attributes(talk, {"lang": path[0].get("lang")} if path else None)
    for node in path:
        with context.part():
            talk.take(_message(node, context))
    yield talk


def _size(nodes: list[Any], below: dict[Any, list[Any]]) -> int:
    count, waiting = 0, list(nodes)
    while waiting:
        node = waiting.pop()
        count += 1
        if isinstance(node, dict):
            waiting += [*(node.get("replies") or []), *below.get(node.get("message_id"), [])]
    return count


def _message(node: dict[str, Any], context: Context) -> Message:
    emojis = node.get("emojis")
    opinions = tuple(
        Feedback("emoji", name, None, None, {"count": times})
        for name, times in (emojis.items() if isinstance(emojis, dict) else [])
        if not name.startswith("_")
    )
    at = context.moment("created_date", node.get("created_date")) or first_moment("", node, context)
    role = ROLES.get(str(node.get("role")), "user")
    is_answer = role == "assistant"
    return Message(
        role,
        (Said(str(node.get("text") or "")),),
        at,
        model=node.get("model_name") if is_answer else None,
        feedback=opinions if is_answer else (),
    )


SHAPE = Shape("oasst_tree", detects, read, group)
