from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import call_command

from tasks.conf import PROJECT_ROOT

CATALOG = PROJECT_ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"

#: %(name)s, %s and {name}: what a translation must carry over.
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")

Entry = dict[str, str]


def parse_catalog(text: str) -> list[Entry]:
    """Return the entries of a .po file: their msgid, msgstr… and the flags of each."""
    return [
        entry for block in text.split("\n\n") if "msgid" in (entry := _entry(block))
    ]


def _entry(block: str) -> Entry:
    entry: Entry = {"flags": ""}
    current = ""
    for line in block.splitlines():
        if line.startswith("#,"):
            entry["flags"] += line[2:]
        elif match := re.match(r'(msg\w+(?:\[\d\])?) "(.*)"$', line):
            current = match[1]
            entry[current] = match[2]
        elif current and (match := re.match(r'"(.*)"$', line)):
            entry[current] += match[1]
    return entry


def entries() -> list[Entry]:
    return [entry for entry in parse_catalog(CATALOG.read_text()) if entry["msgid"]]


def translations(entry: Entry) -> list[str]:
    return [text for name, text in entry.items() if name.startswith("msgstr")]


def test_the_parser_reads_what_gettext_writes() -> None:
    text = (
        '#, fuzzy, python-format\nmsgid ""\n"one %s "\n"line"\nmsgstr "一"\n\n'
        'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] ""\n'
    )
    first, second = parse_catalog(text)
    assert first["msgid"] == "one %s line"
    assert "fuzzy" in first["flags"]
    assert translations(second) == ["c", ""]


def test_every_text_is_translated() -> None:
    missing = [e["msgid"] for e in entries() if not all(translations(e))]
    assert missing == []


def test_no_translation_is_a_guess() -> None:
    assert [e["msgid"] for e in entries() if "fuzzy" in e["flags"]] == []


def test_a_translation_has_the_same_placeholders() -> None:
    wrong = [
        entry["msgid"]
        for entry in entries()
        for text in translations(entry)
        if text and "msgid_plural" not in entry
        if sorted(PLACEHOLDER.findall(text))
        != sorted(PLACEHOLDER.findall(entry["msgid"]))
    ]
    assert wrong == []


def test_the_catalog_has_every_text_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extract the texts anew, into a copy, and compare; needs GNU gettext."""
    for name in ("tasks", "dashboard", "templates"):
        (tmp_path / name).symlink_to(PROJECT_ROOT / name)
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    call_command(
        "makemessages", locale=["zh_Hans"], symlinks=True, no_location=True, verbosity=0
    )
    found = (tmp_path / "locale/zh_Hans/LC_MESSAGES/django.po").read_text()
    used = {entry["msgid"] for entry in parse_catalog(found)} - {""}
    known = {entry["msgid"] for entry in entries()}
    assert used - known == set(), "run makemessages and translate"
