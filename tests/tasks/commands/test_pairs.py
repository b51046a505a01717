from __future__ import annotations

from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from tasks.errors import InvalidArguments
from tasks.management.pairs import read_pairs
from tasks.registry import Task


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


def example(
    text: str = "",
    number: int = 0,
    share: float = 0.0,
    flag: bool = False,
    path: Path = Path(),
    when: datetime | None = None,
    maybe: str | None = None,
    either: int | str = 0,
    choice: Literal["1", "b"] = "b",
    amount: Literal[1, 2] = 1,
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    items: list[str] | None = None,
    table: dict[str, int] | None = None,
    anything: Any = None,
    **rest: int,
) -> None:
    """Take one argument of every kind."""


TASK = Task("example", example)


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=123", "123"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ("text=null", "null"),
        ('text:="123"', "123"),
        ("number=123", 123),
        ("number=-5", -5),
        ("number=many", "many"),
        ("share=NaN", "NaN"),
        ("flag=true", True),
        ("flag=yes", "yes"),
        ("path=/tmp", "/tmp"),
        ("when=2026-01-01", "2026-01-01"),
        ("maybe=5", "5"),
        ("maybe:=null", None),
        ("either=5", "5"),
        ("either:=5", 5),
        ("choice=1", "1"),
        ("amount=2", 2),
        ("colour=red", "red"),
        ("level=1", 1),
        ('items=["1"]', ["1"]),
        ("items=1", 1),
        ('table={"a": 1}', {"a": 1}),
        ("anything=1", 1),
        ("anything=word", "word"),
        ("unknown=1", 1),
    ],
)
def test_a_value_is_read_as_its_argument_wants_it(pair: str, value: object) -> None:
    (read,) = read_pairs(TASK, [pair]).values()
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("pairs", "field", "problem"),
    [
        (["text"], "text", "write it as key=value"),
        (["=5"], "=5", "write it as key=value"),
        (["text=a", "text=b"], "text", "is given twice"),
        (["anything:={"], "anything", "is not JSON: "),
        (["anything:=NaN"], "anything", "is not JSON: NaN is not a number in JSON"),
        (["text=\udcff"], "text", "is not valid UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_named(
    pairs: list[str], field: str, problem: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        read_pairs(TASK, pairs)
    assert list(caught.value.problems) == [field]
    assert caught.value.problems[field].startswith(problem)
