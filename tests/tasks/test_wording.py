from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from django.utils.translation import override
from pydantic import (
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    Field,
    FiniteFloat,
    HttpUrl,
    Json,
    TypeAdapter,
    ValidationError,
)

from tasks.wording import word_problem


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


def refuse(value: Any) -> Any:
    raise ValueError("is of no use")


def wording(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return word_problem(caught.value.errors()[0])


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Annotated[int, Field(ge=1)], 0, "must be at least 1"),
        (Annotated[int, Field(gt=1)], 1, "must be more than 1"),
        (Annotated[float, Field(le=0.5)], 1, "must be at most 0.5"),
        (Annotated[int, Field(lt=1)], 1, "must be less than 1"),
        (Annotated[int, Field(multiple_of=5)], 3, "must be a multiple of 5"),
        (FiniteFloat, float("nan"), "must be a finite number"),
        (Decimal, "x", "must be a number"),
        (Annotated[str, Field(min_length=2)], "x", "must have at least 2 characters"),
        (Annotated[str, Field(max_length=2)], "xyz", "must have at most 2 characters"),
        (Annotated[str, Field(pattern="^a")], "x", "must match ^a"),
        (Annotated[list[int], Field(min_length=1)], [], "must have at least 1 items"),
        (
            Annotated[list[int], Field(max_length=1)],
            [1, 2],
            "must have at most 1 items",
        ),
        (Literal["a", "b or c", "d"], "x", "must be one of 'a', 'b or c', 'd'"),
        (Size, "x", "must be one of 's', 'l'"),
        (date, "x", "must be a date such as 2026-01-31"),
        (datetime, "x", "must be a time such as 2026-01-31T09:00:00+01:00"),
        (
            AwareDatetime,
            "2026-01-31T09:00:00",
            "must name its time zone, such as +01:00 or Z",
        ),
        (time, "x", "must be a time of day such as 09:00:00"),
        (timedelta, "x", "must be seconds, or a duration such as PT15M"),
        (AnyUrl, "x", "must be a web address such as https://example.com/"),
        (HttpUrl, "ftp://x", "must begin with one of 'http', 'https'"),
        (Annotated[str, AfterValidator(refuse)], "x", "is of no use"),
        (complex, "x", "Input should be a valid python complex object"),
    ],
)
def test_a_problem_is_said_in_plain_words(kind: Any, value: object, words: str) -> None:
    assert wording(kind, value).startswith(words)


def test_what_is_not_json_is_named() -> None:
    assert wording(Json, "{").startswith("is not JSON: ")


def test_the_words_follow_the_language() -> None:
    with override("zh-hans"):
        assert wording(Annotated[int, Field(ge=1)], 0) == "不得小于 1"


def test_a_known_code_without_its_limits_keeps_its_own_words() -> None:
    found = {"type": "too_long", "msg": "Too much of it"}
    assert word_problem(found) == "Too much of it"
