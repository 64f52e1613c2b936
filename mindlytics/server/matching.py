"""Which users a regular expression of the caller's means.

Some expressions take longer than the age of the universe, and Python cannot be told to give one up. So another process
looks for matches, and is ended when its time is over; the server goes on meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import orjson

from .query import InvalidQuery

MAX_REGEX = 200
MATCHING_SECONDS = 3.0

_PROGRAM = """
import json, re, sys
regex, users = json.load(sys.stdin)
try:
    found = re.compile(regex).search
except (re.error, OverflowError, RecursionError) as error:
    sys.exit(f"is no regular expression ({error})")
json.dump([user_id for user_id, names in users.items() if any(map(found, names))], sys.stdout)
"""


def matching(regex: str, users: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids of those users, in their order, of whose names the expression is found in one.

    :param regex: as Python's :mod:`re` understands it.
    :param users: names by id.
    :raises InvalidQuery: it is no regular expression, or it takes too long.
    """
    if len(regex) > MAX_REGEX:
        raise InvalidQuery("regex", f"must be of at most {MAX_REGEX} characters")
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "ignore", "-c", _PROGRAM],
            input=orjson.dumps([regex, users]),
            capture_output=True,
            timeout=MATCHING_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidQuery("regex", f"takes longer than {MATCHING_SECONDS:g} s") from None
    if ended.returncode:
        raise InvalidQuery("regex", ended.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    found: list[str] = orjson.loads(ended.stdout)
    return found
