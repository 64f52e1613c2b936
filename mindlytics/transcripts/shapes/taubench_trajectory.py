"""Trajectories of tau-bench: a task's messages under ``traj``, with a reward."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..fields import a_list, an_id, an_object, object_or_empty
from ..model import Feedback
from ..talk import Talk, with_attributes
from . import Shape
from .openai_chat import take_all


def detects(record: object) -> bool:
    """A task with its trajectory."""
    return isinstance(record, dict) and (("task_id" in record and "traj" in record) or "messages_display" in record)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a trial."""
    record = an_object("", record)
    name = "traj" if "traj" in record else "messages_display"
    messages = a_list(name, record.get(name))
    task = object_or_empty(object_or_empty(record.get("info")).get("task"))
    task_id, trial = record.get("task_id"), record.get("trial")
    talk = Talk(
        conversation_id=f"{task_id}/{trial}" if trial is not None else an_id(task_id),
        user_id=an_id(task.get("user_id")),
    )
    with_attributes(talk, {"task_id": task_id, "trial": trial})
    take_all(talk, name, messages, context)
    if isinstance(reward := record.get("reward"), (int, float)):
        talk.feedback.append(Feedback("reward", reward))
    yield talk


SHAPE = Shape("taubench_trajectory", detects, read)
