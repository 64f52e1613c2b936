"""Archives that are one export: their files are read together."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping

from ..context import Record
from ..fields import objects_in
from ..model import Problem
from ..unpacking import FAULTS, unpacked, unzipped

LIMIT = 256 * 1024 * 1024
"""Bytes of a file of an export at most."""
_CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json").fullmatch
_SAMPLE = re.compile(r"samples/.*\.json").fullmatch
_DAY = re.compile(r".*/\d{4}-\d\d-\d\d\.json").fullmatch
SLACK = ("channels.json", "groups.json", "dms.json", "mpims.json")

Exported = tuple[Mapping[str, object], list[zipfile.ZipInfo], "Iterator[Record | Problem] | None"]


def exported(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Exported | None:
    """What the archive of an account holds, if it is one: what is known beside, the files to read, or the records."""
    names = {member.filename: member for member in members}
    if "users.json" in names and any(name in names for name in SLACK):
        beside = {name: load(archive, names[name]) for name in ("users.json", *SLACK) if name in names}
        return beside, [], _slack(archive, members, beside)
    if samples := [member for name, member in names.items() if _SAMPLE(name)]:
        start = names.get("header.json") or names.get("_journal/start.json")
        if start is not None:  # a log of inspect_ai
            return {"header.json": load(archive, start)}, samples, None
    chosen = [member for name, member in names.items() if _CONVERSATIONS(name.rpartition("/")[2])]
    if chosen:
        folder = chosen[0].filename.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        extras = [name for name in ("user.json", "message_feedback.json") if prefix + name in names]
        return {name: load(archive, names[prefix + name]) for name in extras}, chosen, None
    return None


def load(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> object:
    """The JSON of a member; None where it cannot be read."""
    try:
        with unzipped(archive, member) as file:
            return json.loads(unpacked(file).read(LIMIT))
    except (ValueError, RecursionError, zipfile.BadZipFile, RuntimeError, NotImplementedError, *FAULTS):
        return None


def _slack(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], beside: Mapping[str, object]
) -> Iterator[Record | Problem]:
    channels: dict[str, tuple[int, str]] = {}
    for name in SLACK:
        for each in objects_in(beside.get(name)):
            if "id" in each:
                folder = str(each.get("name") or each["id"])
                channels[folder] = (len(channels), str(each["id"]))
    number = 0
    days = [each for each in members if _DAY(each.filename) and each.filename.rpartition("/")[0] in channels]
    for member in sorted(days, key=lambda each: (channels[each.filename.rpartition("/")[0]], each.filename)):
        name = member.filename.rpartition("/")[0]
        messages = load(archive, member)
        if not isinstance(messages, list):
            yield Problem(0, "must be a list of messages", member.filename)
            continue
        _, id = channels[name]
        for index, message in enumerate(messages):
            number += 1
            place = f"{member.filename}: [{index}]"
            value = {"slack_channel": id, "slack_name": name, "message": message}
            if isinstance(message, dict):
                yield Record(value, number, place, ".")
            else:
                yield Problem(number, f"must be an object, got {type(message).__name__}", place)
