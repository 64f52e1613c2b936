"""Conversations that branch: the path that was seen last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Union

from ..context import Context
from ..fields import JsonObject

Rank = Union[str, tuple[bool, int, str]]


def path_to(leaf: str, parents: Mapping[str, str | None]) -> list[str]:
    """The ids from the root to a leaf."""
    path: list[str] = []
    seen: set[str] = set()
    here: str | None = leaf
    while here is not None and here in parents and here not in seen:
        seen.add(here)
        path.append(here)
        here = parents[here]
    return path[::-1]


def newest_path(
    roots: list[JsonObject], children: Callable[[JsonObject], list[JsonObject]], rank: Callable[[JsonObject], Rank]
) -> list[JsonObject]:
    """The nodes from the root, at each fork the one of the highest rank."""
    path: list[JsonObject] = []
    level = roots
    while level:
        path.append(max(level, key=rank))
        level = children(path[-1])
    return path


def leave_others(context: Context, all_nodes: int, taken: int) -> None:
    """Count the messages of other branches."""
    for _ in range(all_nodes - taken):
        context.leave("messages of other branches")
