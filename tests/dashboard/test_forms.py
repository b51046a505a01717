from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field as Limit

from dashboard.form_input import mark_problems, read_form, read_options
from dashboard.forms import Field, make_fields, make_option_fields
from tasks.registry import Task


class Thing:
    """A class that JSON schema has no word for."""


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def every_type(
    name: str,
    count: int = 3,
    ratio: float = 0.5,
    path: Path = Path("/tmp"),
    at: datetime | None = None,
    day: date | None = None,
    colour: Colour = Colour.RED,
    size: Literal[1, 2] = 1,
    note: str | None = None,
    words: list[str] = [],  # noqa: B006 - a default is what is tested
    rest: Any = None,
    loud: bool = False,
) -> None: ...


@pytest.fixture
def fields() -> dict[str, Field]:
    return {f.name: f for f in make_fields(Task("every_type", every_type))}


def post(task: Task, **texts: str) -> dict[str, Any]:
    posted = {f"arg-{name}": text for name, text in texts.items()}
    return read_form(make_fields(task), posted)[1]


def make_task(function: Any) -> Task:
    return Task(function.__name__, function)


def test_each_type_has_its_input(fields: dict[str, Field]) -> None:
    assert {name: field.kind for name, field in fields.items()} == {
        "name": "text",
        "count": "number",
        "ratio": "number",
        "path": "text",
        "at": "datetime",
        "day": "date",
        "colour": "select",
        "size": "select",
        "note": "text",
        "words": "json",
        "rest": "json",
        "loud": "checkbox",
    }


def test_defaults_stand_in_the_inputs(fields: dict[str, Field]) -> None:
    assert fields["count"].text == "3"
    assert fields["path"].text == "/tmp"
    assert fields["colour"].text == "red"
    assert fields["words"].text == "[]"
    assert fields["note"].text == ""


def test_only_arguments_without_a_default_are_required(
    fields: dict[str, Field],
) -> None:
    assert [f.name for f in fields.values() if f.required] == ["name"]


def test_limits_and_descriptions_are_shown() -> None:
    def limited(
        n: Annotated[int, Limit(ge=1, le=9, description="How many")],
    ) -> None: ...

    (field,) = make_fields(make_task(limited))
    assert field.limits == {"min": 1, "max": 9, "step": 1}
    assert "How many" in field.help
    assert "9" in field.help


def test_a_type_that_no_schema_can_say_is_written_as_json() -> None:
    def odd(thing: Thing, other: int = 1) -> None: ...

    fields = make_fields(make_task(odd))
    assert [(f.name, f.kind, f.required) for f in fields] == [
        ("thing", "json", True),
        ("other", "json", False),
    ]


def test_values_of_an_earlier_job_replace_defaults() -> None:
    fields = make_fields(
        Task("every_type", every_type), {"count": 7, "loud": True, "words": ["a"]}
    )
    by_name = {f.name: f for f in fields}
    assert by_name["count"].text == "7"
    assert by_name["loud"].is_checked
    assert '"a"' in by_name["words"].text


def test_what_was_typed_becomes_arguments() -> None:
    arguments = post(
        Task("every_type", every_type),
        name="x",
        size="2",
        words='["a", "b"]',
        at="2026-11-21T03:00",
        loud="true",
    )
    assert arguments["name"] == "x"
    assert arguments["size"] == 2
    assert arguments["words"] == ["a", "b"]
    assert arguments["at"] == "2026-11-21T03:00Z"
    assert arguments["loud"] is True


def test_an_empty_input_is_null_where_that_is_allowed_and_else_not_given() -> None:
    def noted(note: str | None = "something", count: int = 3) -> None: ...

    assert post(make_task(noted)) == {"note": None}


def test_an_input_that_holds_its_default_is_not_given() -> None:
    task = Task("every_type", every_type)
    filled = {f.name: f.text for f in make_fields(task)} | {"name": "x"}
    filled.pop("loud")
    assert post(task, **filled) == {"name": "x"}
    task.signature.bind((), post(task, **filled))


def test_text_that_is_no_json_is_kept_beside_its_problem() -> None:
    fields, arguments = read_form(
        make_fields(Task("every_type", every_type)), {"arg-words": "[1,"}
    )
    words = next(f for f in fields if f.name == "words")
    assert words.text == "[1,"
    assert words.problem
    assert "words" not in arguments


def test_deeply_nested_json_is_refused_and_not_a_crash() -> None:
    fields, _arguments = read_form(
        make_fields(Task("every_type", every_type)), {"arg-words": "[" * 100_000}
    )
    assert next(f for f in fields if f.name == "words").problem


def test_a_problem_stands_at_the_field_that_it_names(
    fields: dict[str, Field],
) -> None:
    marked, rest = mark_problems(
        list(fields.values()), {"words.0": "must be text", "": "the whole", "no": "one"}
    )
    assert next(f for f in marked if f.name == "words").problem == "must be text"
    assert rest == ["the whole", "no: one"]


def test_options_left_empty_are_not_given() -> None:
    options = make_option_fields(Task("every_type", every_type))
    assert read_options(options, {"opt-queue": " ", "opt-retries": ""})[1] == {}


def test_options_have_their_types() -> None:
    options = make_option_fields(Task("every_type", every_type))
    posted = {
        "opt-queue": "low",
        "opt-delay": "1.5",
        "opt-retries": "0",
        "opt-tags": "a, b,",
        "opt-at_front": "true",
    }
    assert read_options(options, posted)[1] == {
        "queue": "low",
        "delay": 1.5,
        "retries": 0,
        "tags": ["a", "b"],
        "at_front": True,
    }


def test_an_option_that_is_no_number_is_named() -> None:
    options = make_option_fields(Task("every_type", every_type))
    fields, given = read_options(options, {"opt-timeout": "soon"})
    assert next(f for f in fields if f.name == "timeout").problem
    assert given == {}


def test_an_argument_named_as_an_option_keeps_its_own_input() -> None:
    def clash(queue: str) -> None: ...

    task = make_task(clash)
    names = {f.input_name for f in [*make_fields(task), *make_option_fields(task)]}
    assert {"arg-queue", "opt-queue"} <= names
