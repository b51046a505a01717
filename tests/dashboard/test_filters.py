from __future__ import annotations

import pytest
from django.http import QueryDict

from dashboard.filters import JobFilter
from dashboard.states import LOOKS, parse_state
from tasks.states import State


def test_every_state_has_a_look() -> None:
    assert set(LOOKS) == set(State)


def test_no_two_states_have_the_same_sign() -> None:
    signs = {look.icon for look in LOOKS.values()}
    assert len(signs) == len(State)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("failed", State.FAILED),
        ("Waiting", State.QUEUED),
        ("blocked", State.DEFERRED),
        ("RUNNING", State.STARTED),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_state_is_named_by_its_word_or_its_label(
    word: str, state: State | None
) -> None:
    assert parse_state(word) == state


def test_labels_are_understood_whatever_the_language_of_the_page(settings) -> None:
    settings.LANGUAGE_CODE = "zh-hans"
    assert parse_state("Waiting") == State.QUEUED


def test_several_states_are_separated_by_commas() -> None:
    parsed = JobFilter.parse({"state": "failed,melted,Running,failed"})
    assert parsed.states == (State.FAILED, State.STARTED)


def test_an_empty_query_asks_for_all() -> None:
    assert not JobFilter.parse({})


def test_unknown_values_fall_back() -> None:
    assert JobFilter.parse({"state": "melted", "page": "x"}) == JobFilter()


def test_a_filter_survives_its_own_query_string() -> None:
    asked = JobFilter(
        (State.FAILED, State.LOST),
        task="a&b",
        queue="low",
        id_prefix="0f",
        lost_by="vm 3-w&1",
    )
    query = QueryDict(asked.query_string().removeprefix("?"))
    assert JobFilter.parse(query) == asked


def test_a_nul_and_too_long_a_text_are_cut_away() -> None:
    parsed = JobFilter.parse({"q": "a\0" + "b" * 500})
    assert "\0" not in parsed.id_prefix
    assert len(parsed.id_prefix) == 255


def test_a_filter_is_written_as_a_person_would_type_it() -> None:
    assert (
        JobFilter((State.FAILED,), queue="low").describe() == "state:failed queue:low"
    )
