"""Trees of OpenAssistant: a ``prompt`` with ``replies``, or flat messages of ``prompter`` and assistant."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from ..context import Context, Record
from ..fields import JsonObject, an_id, an_object, objects_in, text_or_none
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import GroupedShape
from .openai_chat import first_time
from .trees import Rank, branch_id, paths_from

ROLES = {"prompter": "user", "assistant": "assistant"}


def detects(record: object) -> bool:
    """A tree, or a message of one."""
    if not isinstance(record, dict):
        return False
    return ("message_tree_id" in record and "prompt" in record) or (
        record.get("role") in ROLES and "message_id" in record and "parent_id" in record
    )


def group(record: object, context: Context) -> str:
    """The tree."""
    record = an_object("", record)
    if "prompt" in record:
        an_object("prompt", record["prompt"])
    return str(record.get("message_tree_id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation along the best replies."""
    tree = records[0].fields
    below: dict[object, list[JsonObject]] = {}
    if "prompt" in tree:
        roots = [an_object("prompt", tree["prompt"])]
    else:
        for record in records:
            below.setdefault(record.fields.get("parent_id"), []).append(record.fields)
        roots = below.get(None, [])

    def children(node: JsonObject) -> list[JsonObject]:
        return [each for each in _replies(node, below) if not each.get("deleted")]

    def rank(node: JsonObject) -> Rank:
        place = node.get("rank")
        return (isinstance(place, int), -place if isinstance(place, int) else 0, str(node.get("created_date")))

    roots = [each for each in roots if not each.get("deleted")]
    if below and not roots:
        raise InvalidEvent("parent_id", "null in one message of a tree", tree.get("parent_id"))
    for index, path in enumerate(paths_from(roots, children, rank, context)):
        leaf = an_id(path[-1].get("message_id"))
        talk = Talk(branch_id(an_id(tree.get("message_tree_id")), index, leaf), user_id=an_id(path[0].get("user_id")))
        with_attributes(talk, {"lang": path[0].get("lang")})
        for node in path:
            with context.part():
                talk.take(_message(node, context))
        yield talk


def _replies(node: JsonObject, below: dict[object, list[JsonObject]]) -> list[JsonObject]:
    return [*objects_in(node.get("replies")), *below.get(node.get("message_id"), [])]


def _message(node: JsonObject, context: Context) -> Message:
    emojis = node.get("emojis")
    opinions = tuple(
        Feedback("emoji", name, None, None, {"count": times})
        for name, times in (emojis.items() if isinstance(emojis, dict) else [])
        if not name.startswith("_")
    )
    at = context.time("created_date", node.get("created_date")) or first_time("", node, context)
    role = ROLES.get(str(node.get("role")), "user")
    is_answer = role == "assistant"
    return Message(
        role,
        (Said(str(node.get("text") or "")),),
        at,
        model=text_or_none(node.get("model_name")) if is_answer else None,
        feedback=opinions if is_answer else (),
    )


SHAPE = GroupedShape("oasst_tree", detects, read, group)
