"""All that is wrong at once, where fields do not depend on one another."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from tasks.errors import InvalidOption
from tasks.text import join_problems


class InvalidOptions(InvalidOption):
    """Raised when options have values that cannot work; the first stands for all."""

    def __init__(self, by_field: Mapping[str, str]) -> None:
        super().__init__(*next(iter(by_field.items())))
        self._by_field = dict(by_field)
        self.args = (join_problems(by_field),)

    @property
    def by_field(self) -> dict[str, str]:
        return self._by_field


class Gathering:
    """Notes what each block within it finds wrong, the first of each field.

    `with gathering: check(one)`, then the next; `refuse` raises what was found.
    """

    def __init__(self) -> None:
        self.by_field: dict[str, str] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(error, InvalidOption):
            self.by_field = error.by_field | self.by_field
            return True
        return False

    def refuse(self) -> None:
        """Raise InvalidOption if anything is wrong."""
        if self.by_field:
            raise InvalidOptions(self.by_field)
