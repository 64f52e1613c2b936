"""Names with letters that steer a terminal: the command line writes them as escapes."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from mindlytics.cli.terminal import PrintableFormatter, printable

from .processes import mindlytics, running

EVIL = "\x1b]0;owned\x07\x1b[2J\r\nfine: all is well \u202e.jsonl"
STEERING = set("\x1b\x07\r\u202e\x9b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "a b"),
        ("Grüße 日本", "Grüße 日本"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\t\x9b\u202e", "a\\nb\\t\\x9b\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_is_printable_stays_and_the_rest_is_escaped(text: str, expected: str) -> None:
    assert expected == printable(text)


def test_a_logged_message_is_one_line_and_a_traceback_keeps_its_own() -> None:
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "%s failed", ("\x1b\n",), sys.exc_info())
    lines = PrintableFormatter("mindlytics: %(message)s").format(record).split("\n")
    assert ["mindlytics: \\x1b\\n failed", "ValueError: \\x1b[2J"] == [lines[0], lines[-1]]
    assert len(lines) > 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "--dry-run", "bad/" + EVIL),
        ("import", "--dry-run", EVIL + "nowhere"),
        ("serve", "--port", "0", "--db", "bad/" + EVIL),
        ("serve", "--port", "0", "--db", "nowhere/" + EVIL),
        ("serve", "--port", "0", "--host", EVIL),
        ("serve", "--port", "0", "--chaos", EVIL),
        ("serve", "--port", "0", "--analysis", EVIL),
        ("serve", "--port", EVIL),
        ("tail", "--server", EVIL),
        ("spool", "status", "--spool", EVIL),
        ("spool", EVIL),
        (EVIL,),
        ("--" + EVIL,),
        ("serve", "--" + EVIL),
    ],
    ids=lambda arguments: " ".join(arguments)[:24].encode("unicode_escape").decode(),
)
def test_no_name_steers_the_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / EVIL).write_text("no transcript\n")
    ended = mindlytics(*arguments, cwd=tmp_path)
    assert ended.returncode != 0
    assert set() == STEERING & set(ended.stdout + ended.stderr)
    assert "\\x1b" in ended.stderr
    assert "\nfine" not in ended.stderr


def test_the_name_of_the_database_is_shown_as_it_may_be(tmp_path: Path) -> None:
    with running("serve", "--port", "0", "--db", "\x1b[2J.db", until="Database", cwd=tmp_path) as server:
        assert "\\x1b[2J.db" in server.said
        assert "\x1b" not in server.said
