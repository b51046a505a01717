from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tasks.errors import InvalidOption
from tasks.options import Options
from tests.sample import add, flaky, greet

#: Moments that UTC has no time for.
FIRST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
LAST = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14)))

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def problem(method: str, *args: Any, **options: Any) -> str:
    with pytest.raises(InvalidOption) as caught:
        getattr(Options(**options), method)(*args)
    return str(caught.value)


def test_an_id_is_made_where_none_is_given() -> None:
    assert len(Options().checked_id()) == 36


@pytest.mark.parametrize("wrong", ["", "a b", "a:b", "x" * 256, "a\n", 7])
def test_an_id_that_rq_would_refuse_is_refused(wrong: object) -> None:
    expected = "id: only letters, digits, - and _ are allowed, at most 255"
    assert problem("checked_id", id=wrong) == expected


@pytest.mark.parametrize("wrong", ["", "a b", "a,b", "x" * 201, 7])
def test_a_queue_name_that_rq_would_split_is_refused(wrong: object) -> None:
    expected = "queue: a name of 1 to 200 characters, without blanks and commas"
    assert problem("checked_queue", add.task, queue=wrong) == expected


def test_the_queue_defaults_to_the_task_s() -> None:
    assert Options().checked_queue(greet.task) == "emails"
    assert Options(queue="fast").checked_queue(greet.task) == "fast"


def test_a_delay_counts_from_now() -> None:
    assert Options(delay=1.5).due_at(NOW) == NOW + timedelta(seconds=1.5)
    assert Options(delay=timedelta(hours=1)).due_at(NOW) == NOW + timedelta(hours=1)
    assert Options(delay=0).due_at(NOW) is None


def test_a_moment_of_another_zone_is_kept_as_utc() -> None:
    zone = timezone(timedelta(hours=8))
    at = datetime(2026, 1, 2, 12, tzinfo=zone)
    assert Options(at=at).due_at(NOW) == datetime(2026, 1, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"delay": 1, "at": NOW}, "delay: give either a delay or a moment, not both"),
        ({"delay": -1}, "delay: must lie between 0 s and ten years"),
        ({"delay": float("nan")}, "delay: must lie between 0 s and ten years"),
        ({"delay": 1e12}, "delay: must lie between 0 s and ten years"),
        *(
            ({"at": moment}, "at: must lie within the next ten years")
            for moment in (FIRST, LAST)
        ),
        ({"delay": "soon"}, "delay: must be a number of seconds"),
        ({"delay": True}, "delay: must be a number of seconds"),
        (
            {"at": datetime(2026, 1, 2)},
            "at: must be a moment with its zone, like +00:00",
        ),
        ({"at": "2026-01-02"}, "at: must be a moment with its zone, like +00:00"),
        ({"at": NOW.replace(year=2037)}, "at: must lie within the next ten years"),
    ],
)
def test_a_moment_that_cannot_work_is_refused(
    options: dict[str, Any], expected: str
) -> None:
    assert problem("due_at", NOW, **options) == expected


def test_policy_comes_from_the_task_unless_given() -> None:
    assert Options().checked_retries(flaky.task) == 2
    assert Options(retries=0).checked_retries(flaky.task) == 0
    assert Options().checked_backoff(flaky.task) == 0.05
    assert Options(timeout=-1).checked_timeout(flaky.task) == -1


@pytest.mark.parametrize(
    ("method", "option", "wrong"),
    [
        ("checked_retries", "retries", -1),
        ("checked_retries", "retries", 101),
        ("checked_retries", "retries", True),
        ("checked_retries", "retries", "2"),
        ("checked_timeout", "timeout", 0),
        ("checked_timeout", "timeout", 1.5),
        ("checked_backoff", "backoff", -0.1),
        ("checked_backoff", "backoff", 3601),
        ("checked_backoff", "backoff", float("inf")),
        ("checked_backoff", "backoff", "1"),
        ("checked_tags", "tags", "mail"),
        ("checked_tags", "tags", 3),
        ("checked_tags", "tags", [""]),
        ("checked_tags", "tags", ["x" * 51]),
        ("checked_tags", "tags", [str(n) for n in range(21)]),
    ],
)
def test_a_wrong_value_is_refused_under_the_option_s_name(
    method: str, option: str, wrong: object
) -> None:
    assert problem(method, add.task, **{option: wrong}).startswith(f"{option}: ")


def test_tags_join_the_task_s_own_once() -> None:
    assert Options(tags=["big", "mail"]).checked_tags(greet.task) == ["mail", "big"]


def test_parents_are_ids_or_handles_each_once() -> None:
    class Held:
        id = "b"

    assert Options(depends_on=["a", Held(), "a"]).parents() == ["a", "b"]
    assert Options(depends_on=Held()).parents() == ["b"]
    assert Options(depends_on="a").parents() == ["a"]


def test_a_job_cannot_wait_for_itself() -> None:
    expected = "depends_on: a job cannot wait for itself"
    assert problem("parents", id="me", depends_on=["me"]) == expected


@pytest.mark.parametrize("wrong", ["", "x" * 256, 5])
def test_an_idempotency_key_has_bounds(wrong: object) -> None:
    expected = "idempotency_key: must be 1 to 255 characters"
    assert problem("checked_key", idempotency_key=wrong) == expected


def test_a_description_has_bounds() -> None:
    expected = "description: must be at most 1,000 characters"
    assert problem("checked_description", description="x" * 1001) == expected
