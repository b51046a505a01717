"""What a list's query string asks for, parsed once; unknown values fall back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from dashboard.states import parse_state
from tasks.states import State

#: Longer values match nothing, so they are cut (the columns are no longer).
TEXT_LIMIT = 255


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; every field that is empty leaves all of them."""

    states: tuple[State, ...] = ()
    task: str = ""
    queue: str = ""
    id_prefix: str = ""
    #: The worker that died while it held them.
    lost_by: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> JobFilter:
        return cls(
            states=_states(query.get("state", "")),
            task=_text(query, "task"),
            queue=_text(query, "queue"),
            id_prefix=_text(query, "q"),
            lost_by=_text(query, "lost"),
        )

    def __bool__(self) -> bool:
        return self != JobFilter()

    @property
    def without_state(self) -> JobFilter:
        return replace(self, states=())

    @property
    def state_words(self) -> str:
        """The states as the query string writes them: `failed,lost`."""
        return ",".join(self.states)

    def query_string(self, **extra: str) -> str:
        """Return the URL's query for this filter, from "?" on; "?" alone shows all."""
        fields = {
            "state": self.state_words,
            "task": self.task,
            "queue": self.queue,
            "q": self.id_prefix,
            "lost": self.lost_by,
            **extra,
        }
        return "?" + urlencode({name: text for name, text in fields.items() if text})

    def with_state(self, state: State | None) -> str:
        states = () if state is None else (state,)
        return replace(self, states=states).query_string()

    def describe(self) -> str:
        """Return the filter as a person would type it: `state:failed queue:low`."""
        fields = {
            "state": self.state_words,
            "task": self.task,
            "queue": self.queue,
            "id": self.id_prefix,
            "lost": self.lost_by,
        }
        return " ".join(f"{name}:{text}" for name, text in fields.items() if text)


def _states(words: str) -> tuple[State, ...]:
    """Return the states that are named, separated by commas; others are left out."""
    named = [parse_state(word) for word in words.split(",")]
    return tuple(dict.fromkeys(state for state in named if state is not None))


def _text(query: Mapping[str, str], name: str) -> str:
    # A NUL cannot stand in a PostgreSQL parameter.
    return query.get(name, "").replace("\0", "").strip()[:TEXT_LIMIT]
