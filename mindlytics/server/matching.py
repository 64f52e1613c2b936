"""Which users match a caller's regular expression.

Some expressions would run for ages, and Python cannot interrupt one. So another process does the matching, and is
killed when its time is over. The server keeps running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from subprocess import PIPE, Popen, TimeoutExpired

import orjson

from .query import InvalidQuery

MAX_REGEX = 200
MATCHING_SECONDS = 1.0
LOOK_SECONDS = 0.1

_PROGRAM = """
import json, re, sys
regex, users = json.load(sys.stdin)
try:
    found = re.compile(regex).search
except (re.error, OverflowError, RecursionError) as error:
    sys.exit(f"is not a regular expression ({error})")
json.dump([user_id for user_id, names in users.items() if any(map(found, names))], sys.stdout)
"""


def matching(regex: str, users: Mapping[str, Sequence[str]], over: Callable[[], bool] = lambda: False) -> list[str]:
    """The ids of the users with a matching name, in their order.

    :param regex: an expression in Python's :mod:`re` syntax.
    :param users: names by id.
    :param over: called now and then. Returns whether to give up.
    :raises InvalidQuery: the expression is invalid or takes too long.
    """
    if len(regex) > MAX_REGEX:
        raise InvalidQuery("regex", f"must be of at most {MAX_REGEX} characters")
    program = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _PROGRAM]
    job: bytes | None = orjson.dumps([regex, users])
    until = time.monotonic() + MATCHING_SECONDS
    with Popen(program, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        while True:
            try:
                found, problem = process.communicate(job, LOOK_SECONDS)
                break
            except TimeoutExpired:
                job = None  # it is on its way
                if over() or time.monotonic() > until:
                    process.kill()
                    raise InvalidQuery("regex", f"takes longer than {MATCHING_SECONDS:g} s") from None
    if process.returncode:
        raise InvalidQuery("regex", problem.decode(errors="replace").strip().rpartition("\n")[2])
    ids: list[str] = orjson.loads(found)
    return ids
