"""The argument schema of a task, taken from its function's signature by pydantic."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)

from tasks.errors import InvalidArguments
from tasks.strict_json import check_json
from tasks.text import gettext as _
from tasks.wording import TOO_MANY, TWICE, word_problem

_LIST = inspect.Parameter.VAR_POSITIONAL
_MAPPING = inspect.Parameter.VAR_KEYWORD
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class Signature:
    """Validates calls of one function and describes them as JSON schema."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.parameters = inspect.signature(function).parameters
        self._function = function

    @cached_property
    def model(self) -> type[BaseModel]:
        hints = typing.get_type_hints(self._function, include_extras=True)
        fields: dict[str, Any] = {}
        for number, parameter in enumerate(self.parameters.values()):
            hint = hints.get(parameter.name, Any)
            fields[f"p{number}"] = _field(parameter, hint)
        return create_model(
            f"Arguments of {self.name}",
            __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True),
            **fields,
        )

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments, by name."""
        return self.model.model_json_schema(by_alias=True)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BaseModel:
        """Return the arguments of a call, validated and coerced.

        Raises InvalidArguments, which names each wrong field.
        """
        named = self._names(args, kwargs)
        try:
            return self.model.model_validate(named)
        except ValidationError as error:
            raise InvalidArguments(self.name, _problems(error)) from error

    def to_json(self, bound: BaseModel, *, full: bool = False) -> dict[str, Any]:
        """Return the arguments by name, as JSON can hold them.

        Without those that were left to their defaults, unless `full`, or unless the
        function takes arguments by position, where a gap would shift the others. Raises
        InvalidArguments for those that JSON cannot hold, like NaN.
        """
        given_only = not (full or self._needs_positions)
        try:
            values = bound.model_dump(
                mode="json", by_alias=True, exclude_unset=given_only
            )
        except ValueError as error:
            raise InvalidArguments(self.name, {"": str(error)}) from error
        values |= _secrets(bound, values)
        problems = dict(_json_problems(values))
        if problems:
            raise InvalidArguments(self.name, problems)
        return values

    def same_call(
        self,
        first: tuple[Sequence[Any], Mapping[str, Any]],
        second: tuple[Sequence[Any], Mapping[str, Any]],
    ) -> bool:
        """Say whether two calls, each as (args, kwargs), have the same arguments."""
        one, other = self.bind(*first), self.bind(*second)
        return self.to_json(one, full=True) == self.to_json(other, full=True)

    def split(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Turn arguments by name into the (args, kwargs) that call the function."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter in self.parameters.values():
            if parameter.name not in values:
                continue
            value = values[parameter.name]
            if parameter.kind is _LIST:
                args.extend(value)
            elif parameter.kind is _MAPPING:
                kwargs.update(value)
            elif parameter.kind in _POSITIONAL and self._needs_positions:
                args.append(value)
            else:
                kwargs[parameter.name] = value
        return args, kwargs

    def coerce(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return (args, kwargs) of a call with the types that the signature asks for."""
        bound = self.bind(args, kwargs)
        values = {
            field.alias or name: getattr(bound, name)
            for name, field in type(bound).model_fields.items()
        }
        return self.split(values)

    @cached_property
    def _needs_positions(self) -> bool:
        positional = (_LIST, inspect.Parameter.POSITIONAL_ONLY)
        return any(p.kind in positional for p in self.parameters.values())

    def _names(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        left = list(args)
        for parameter in self.parameters.values():
            if parameter.kind is _LIST:
                if left:
                    named[parameter.name], left = left, []
            elif parameter.kind in (_MAPPING, inspect.Parameter.KEYWORD_ONLY):
                continue
            elif left:
                named[parameter.name] = left.pop(0)
        if left:
            raise InvalidArguments(self.name, {"": _(TOO_MANY)})
        return named | self._keywords(named, kwargs)

    def _keywords(
        self, named: Mapping[str, Any], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        twice = named.keys() & kwargs.keys()
        if twice:
            raise InvalidArguments(self.name, dict.fromkeys(twice, _(TWICE)))
        catch_all = next(
            (p.name for p in self.parameters.values() if p.kind is _MAPPING), None
        )
        if catch_all is None or catch_all in kwargs:
            return dict(kwargs)
        known = {k: v for k, v in kwargs.items() if k in self.parameters}
        return known | {catch_all: {k: v for k, v in kwargs.items() if k not in known}}


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[Any, Any]:
    if parameter.kind is _LIST:
        return list[hint], Field(default_factory=list, alias=parameter.name)
    if parameter.kind is _MAPPING:
        return dict[str, hint], Field(default_factory=dict, alias=parameter.name)
    default = ... if parameter.default is parameter.empty else parameter.default
    return hint, Field(default=default, alias=parameter.name)


def _secrets(bound: BaseModel, names: Iterable[str]) -> dict[str, str]:
    """Return the secrets among some arguments, for which pydantic writes stars."""
    found: dict[str, str] = {}
    for name, field in type(bound).model_fields.items():
        value, alias = getattr(bound, name), field.alias or name
        if alias in names and isinstance(value, SecretStr):
            found[alias] = value.get_secret_value()
    return found


def _json_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        try:
            check_json(value)
        except ValueError as error:
            yield name, str(error)


def _problems(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        field = ".".join(str(part) for part in problem["loc"])
        problems.setdefault(field, word_problem(problem))
    return problems
