"""``mindlytics import`` reads: which files of a folder, what ``--explain`` shows, and options for formats."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mindlytics.transcripts.sources import inside

from .chats import TEA, counted, written
from .processes import mindlytics


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/2.json", "a/1.json", ".git/objects/3.json", "a/.4.json", "0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, TEA)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(Path(path).name), scandir(path))[1])
    assert ["0.json", "1.json", "2.json"] == [path.name for path in inside(tmp_path)]
    assert [tmp_path.name, "a", "b"] == listed


def test_a_folder_without_conversations_is_reported(tmp_path: Path) -> None:
    written(tmp_path / ".hidden.json", TEA)
    ended = mindlytics("import", "--dry-run", tmp_path)
    assert (0, "mindlytics: no conversation found\n") == (ended.returncode, ended.stderr)


def test_explain_shows_what_a_file_comes_to(tmp_path: Path) -> None:
    bad, plain = {"messages": [{"role": "cook"}]}, {"messages": [{"role": "user", "content": "Hi"}]}
    ended = mindlytics("import", "--explain", written(tmp_path / "chats.jsonl", TEA, bad, plain))
    assert 1 == ended.returncode
    for words in (
        "openai_chat, 2 turns, 1 function call,",
        "openai_chat, 1 turn, 0 function calls, without times",
        "user: Which tea is there?",
        "left out: system messages (1)",
    ):
        assert words in ended.stdout


def test_explain_counts_what_it_does_not_show_of_a_long_file(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    seen = {
        "messages": [{"role": "user", "content": ["Tea?", image]}, {"role": "user", "content": [{"type": "smell"}]}]
    }
    file = written(tmp_path / "chats.jsonl", *[seen] * 4, *["Dear diary,"] * 5)
    ended = mindlytics("import", "--explain", file)
    assert (1, 3, 3) == (ended.returncode, ended.stdout.count("1 turn,"), ended.stdout.count("is no JSON"))
    assert [
        f"{file}: 1 more conversation, 2 more problems",
        "left out: parts of type image_url (4)",
        "not read: parts of type smell (4)",
    ] == ended.stdout.splitlines()[-3:]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read")
def test_explain_goes_on_behind_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    ended = mindlytics("import", "--explain", "/proc/self/mem", written(tmp_path / "chats.jsonl", TEA))
    assert (1, "") == (ended.returncode, ended.stderr)
    assert "/proc/self/mem: reading failed: " in ended.stdout
    assert "user: Which tea is there?" in ended.stdout


def test_names_of_keys_are_given(tmp_path: Path) -> None:
    talk = {"turns": [{"who": "user", "said": "Tea?"}, {"who": "bot", "said": "Yes."}]}
    file = written(tmp_path / "chats.jsonl", talk)
    ended = mindlytics("import", "--dry-run", "--map", "messages=turns,role=who,text=said", file)
    assert {"sessions": 1, "turns": 1, "problems": 0}.items() <= counted(ended.stdout).items()
    table = written(tmp_path / "chats.csv", "no;wer;was", "1;Kunde;Tee?", "1;Agent;Ja.")
    ended = mindlytics("import", "--dry-run", "--map", "conversation_id=no,role=wer,text=was", table)
    assert {"sessions": 1, "turns": 1, "format csv_messages": 1}.items() <= counted(ended.stdout).items()
    assert 2 == mindlytics("import", "--dry-run", "--map", "role", file).returncode


@pytest.mark.parametrize("option", ["--dry-run", "--explain"])
def test_a_mapped_key_that_no_record_has_is_reported(option: str, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", {"messages": [{"who": "user", "content": "Tea?"}]})
    ended = mindlytics("import", option, "--map", "role=who,text=said", file)
    assert 0 == ended.returncode
    assert [f"no record has the key {key!r} of --map" in ended.stdout + ended.stderr for key in ("who", "said")] == [
        False,
        True,
    ]


def test_a_format_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def read(record):\n"
        "    said = [('user', record['q']), ('assistant', record['a'])]\n"
        "    return {'messages': [{'role': role, 'content': text} for role, text in said]}\n"
    )
    file = written(tmp_path / "chats.jsonl", {"q": "Tea?", "a": "Yes."})
    ended = mindlytics("import", "--dry-run", "--format", "mine:read", file, cwd=tmp_path)
    assert {"sessions": 1, "turns": 1, "format read": 1}.items() <= counted(ended.stdout).items()
    assert 2 == mindlytics("import", "--dry-run", "--format", "nothing", file).returncode


def test_strict_makes_unknown_parts_problems(tmp_path: Path) -> None:
    odd = {"messages": [{"role": "user", "content": ["Tea?", {"type": "hologram"}]}]}
    file = written(tmp_path / "chats.jsonl", odd)
    lax, strict = (mindlytics("import", "--dry-run", *more, file) for more in ([], ["--strict"]))
    assert (0, 1) == (lax.returncode, strict.returncode)
    assert "is not read, 1 times: parts of type hologram" in strict.stderr
    assert "not read: parts of type hologram 1" in lax.stdout
