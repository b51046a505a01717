from __future__ import annotations

import pytest

from tasks.strict_json import check_json, clean_json, parse_json


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, null, true]}', '"\\\\u0000"', "-1e300"]
)
def test_json_is_read(text: str) -> None:
    assert parse_json(text) == parse_json(text.encode())


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("[NaN]", "NaN is not a number in JSON"),
        ("-Infinity", "-Infinity is not a number in JSON"),
        ("1e999", "1e999 is too large"),
        ("[" * 100_000, "it is nested too deeply"),
        ('"\\ud800"', "it is not valid UTF-8 text"),
        (b"\xff", "it is not valid UTF-8 text"),
        ('{"\\u0000": 1}', "its text has a NUL character"),
        ('"\\\\\\u0000"', "its text has a NUL character"),
    ],
)
def test_what_nobody_could_keep_is_refused(written: bytes | str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(written)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{")


def test_what_came_past_the_door_is_cleaned() -> None:
    value = {"a\0": ["half \ud83d", float("nan"), float("inf"), 1, None, 2.5]}
    cleaned = clean_json(value)
    assert cleaned == {"a": ["half ?", "nan", "inf", 1, None, 2.5]}
    check_json(cleaned)
