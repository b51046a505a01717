from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from tasks.errors import InvalidArguments
from tasks.signature import Signature


class Item(BaseModel):
    name: str
    amount: int = 1


def every_kind(a: int, /, b: float, *more: int, c: bool = False, **others: str) -> None:
    """Have a parameter of each kind."""


def typed(
    path: Path, day: date, size: Literal["s", "m"], item: Item | None = None
) -> None:
    """Take types that JSON does not have."""


def signed(key: SecretStr, spare: SecretStr | None = None, *, name: str = "") -> None:
    """Take secrets."""


def bounded(percent: Annotated[int, Field(ge=0, le=100)]) -> None:
    """Take a number within bounds."""


def problems(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        Signature("t", function).bind(args, kwargs)
    return caught.value.problems


def test_a_call_is_split_as_the_function_wants_it() -> None:
    signature = Signature("t", every_kind)
    args, kwargs = signature.coerce(("1", "2.5", "3", 4), {"c": "yes", "x": "y"})
    assert (args, kwargs) == ([1, 2.5, 3, 4], {"c": True, "x": "y"})


def test_arguments_by_name_and_by_position_are_the_same_call() -> None:
    signature = Signature("t", typed)
    by_name = {"path": "/a", "day": "2026-01-02", "size": "s"}
    args, kwargs = signature.coerce(("/a", "2026-01-02", "s"), {})
    assert signature.coerce((), by_name) == (args, kwargs)


def test_values_get_the_types_of_the_annotations() -> None:
    signature = Signature("t", typed)
    _args, kwargs = signature.coerce(("/a", "2026-01-02", "m"), {"item": {"name": "x"}})
    assert kwargs == {
        "path": Path("/a"),
        "day": date(2026, 1, 2),
        "size": "m",
        "item": Item(name="x"),
    }


def test_what_is_stored_is_json_and_coerces_to_the_same_values() -> None:
    signature = Signature("t", typed)
    bound = signature.bind((Path("/a"), date(2026, 1, 2), "m"), {"item": {"name": "x"}})
    stored = signature.to_json(bound)
    assert stored["day"] == "2026-01-02"
    assert signature.coerce((), stored) == signature.split(
        {
            "path": Path("/a"),
            "day": date(2026, 1, 2),
            "size": "m",
            "item": Item(name="x"),
        }
    )


def test_each_wrong_field_is_named_with_a_sentence() -> None:
    assert problems(every_kind, "x", b=None) == {
        "a": "must be a whole number",
        "b": "must be a number",
    }


def test_a_missing_argument_is_named() -> None:
    assert problems(typed, "/a")["day"] == "is required"


def test_an_unknown_argument_is_named() -> None:
    assert problems(bounded, percent=1, other=2) == {
        "other": "is not an argument of this task"
    }


def test_a_field_inside_an_argument_is_named_by_its_path() -> None:
    found = problems(typed, "/a", "2026-01-02", "s", item={"name": "x", "amount": "y"})
    assert found == {"item.amount": "must be a whole number"}


def test_an_argument_given_twice_is_named() -> None:
    assert problems(bounded, 5, percent=6) == {"percent": "is given twice"}


def test_too_many_positional_arguments_are_refused() -> None:
    assert problems(bounded, 5, 6) == {"": "too many positional arguments"}


def test_a_bound_of_the_annotation_holds() -> None:
    assert "100" in problems(bounded, 101)["percent"]


def test_the_error_names_task_and_fields_in_one_sentence() -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature("report", bounded).bind((), {})
    assert str(caught.value) == "The arguments do not fit report: percent: is required"


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    def takes_anything(value: Any) -> None:
        """Take whatever comes."""

    signature = Signature("t", takes_anything)
    with pytest.raises(InvalidArguments):
        signature.to_json(signature.bind((object(),), {}))


def test_a_secret_is_given_to_the_job_as_it_is() -> None:
    signature = Signature("sample.signed", signed)
    bound = signature.bind(["s3cret"], {"name": "x"})
    assert signature.to_json(bound) == {"key": "s3cret", "name": "x"}
    assert signature.to_json(bound, full=True)["spare"] is None
    _args, kwargs = signature.coerce(["s3cret"], {})
    assert kwargs["key"].get_secret_value() == "s3cret"


def test_the_schema_names_the_arguments() -> None:
    schema = Signature("t", typed).schema()
    assert schema["required"] == ["path", "day", "size"]
    assert schema["properties"]["size"]["enum"] == ["s", "m"]
    assert schema["additionalProperties"] is False


def test_a_parameter_may_have_any_name() -> None:
    def awkward(model_config: int, schema: str = "x", json: int = 2) -> None:
        """Use names that pydantic has for itself."""

    signature = Signature("t", awkward)
    _args, kwargs = signature.coerce((), {"model_config": "3"})
    assert kwargs == {"model_config": 3, "schema": "x", "json": 2}
