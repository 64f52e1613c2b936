"""Conversations that branch: the path that was seen last, or with ``branches`` each path from the root to a leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Union

from ..context import Context
from ..fields import JsonObject

Rank = Union[str, tuple[bool, int, str]]


def paths_to(seen: str | None, parents: Mapping[str, str | None], context: Context) -> list[list[str]]:
    """The paths of ids from the root to a leaf, the one that was seen last first.

    :param seen: the id that it ends with. If there is no such message, it is the last leaf in the file.
    """
    inner = set(parents.values())
    leaves = [key for key in parents if key not in inner] or list(parents)[-1:]
    if seen is None or seen not in parents:
        seen = leaves[-1] if leaves else None
    paths = [_path_to(leaf, parents) for leaf in ([] if seen is None else [seen])]
    if context.options.branches:
        return paths + [_path_to(leaf, parents) for leaf in leaves if leaf != seen]
    _leave_others(context, parents, paths)
    return paths


def _path_to(leaf: str, parents: Mapping[str, str | None]) -> list[str]:
    path: dict[str, None] = {}
    here: str | None = leaf
    while here is not None and here in parents and here not in path:  # parents may go round in a circle
        path[here] = None
        here = parents[here]
    return list(path)[::-1]


def paths_from(
    roots: list[JsonObject],
    children: Callable[[JsonObject], list[JsonObject]],
    rank: Callable[[JsonObject], Rank],
    context: Context,
) -> list[list[JsonObject]]:
    """The paths from the root to a leaf: first the one that takes the highest rank at each fork."""
    paths: list[list[JsonObject]] = []
    waiting: list[list[JsonObject]] = [[each] for each in _best_last(roots, rank)]
    seen: set[int] = set()
    while waiting:
        path = waiting.pop()
        seen.add(id(path[-1]))
        following = [each for each in children(path[-1]) if id(each) not in seen]
        if following:
            waiting += ([*path, each] for each in _best_last(following, rank))
        else:
            paths.append(path)
    if context.options.branches:
        return paths
    _leave_others(context, [id(node) for path in paths for node in path], [[id(node) for node in paths[0]]])
    return paths[:1]


def _best_last(nodes: list[JsonObject], rank: Callable[[JsonObject], Rank]) -> list[JsonObject]:
    return sorted(nodes, key=rank, reverse=True)[::-1]  # of equal ones, the first in the file is best


def branch_id(conversation_id: str | None, index: int, leaf: str | None) -> str | None:
    """The id of the conversation along a path: the first has the file's own, the others that of their leaf with it."""
    return conversation_id if index == 0 or conversation_id is None else f"{conversation_id}/{leaf}"


def _leave_others(context: Context, ids: Iterable[object], paths: Iterable[Iterable[object]]) -> None:
    for _ in set(ids).difference(*paths):
        context.leave("messages of other branches")
