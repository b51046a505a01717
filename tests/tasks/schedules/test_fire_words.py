from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.schedules import drafts, fires, misfire, refusals, writing
from tasks.schedules.fire_words import word_fire
from tests.timetable import NOW


def words(verdict: Verdict, reason: str = "", **fields: Any) -> str:
    fire = Fire(
        schedule=Schedule(), due_at=NOW, verdict=verdict, reason=reason, **fields
    )
    return word_fire(fire, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("verdict", "reason", "said"),
    [
        (Verdict.RAN, "", ""),
        (Verdict.RAN, writing.EXISTS, ""),
        (Verdict.LATE, "", "No scheduler decided it in time."),
        (
            Verdict.SKIPPED,
            drafts.OVERLAP,
            "An earlier job of the schedule had not ended.",
        ),
        (
            Verdict.SKIPPED,
            drafts.SUPERSEDED,
            "Several came at once, and only the newest of them ran.",
        ),
        (
            Verdict.MISSED,
            misfire.POLICY,
            "No scheduler decided it in time. The schedule skips what was missed.",
        ),
        (
            Verdict.MISSED,
            misfire.STANDS_FOR,
            "No scheduler decided it in time. The newest one ran for all that were missed.",
        ),
        (
            Verdict.MISSED,
            misfire.TOO_MANY,
            "No scheduler decided it in time. More were missed than the schedule makes up"
            " for.",
        ),
        (
            Verdict.MISSED,
            misfire.TOO_OLD,
            "No scheduler decided it in time. It was older than the schedule makes up for.",
        ),
        (Verdict.MISSED, fires.DISABLED, "No scheduler decided it in time."),
        (Verdict.PAUSED, fires.DISABLED, "The schedule was disabled."),
        (
            Verdict.EXCLUDED,
            misfire.DAY_OFF,
            "A day off by the schedule's calendar.",
        ),
    ],
)
def test_each_reason_has_its_sentence(verdict: Verdict, reason: str, said: str) -> None:
    assert words(verdict, reason) == said


def test_a_moment_that_was_moved_says_where_in_the_schedules_zone() -> None:
    moved_to = (NOW + timedelta(days=2)).isoformat()
    said = words(Verdict.EXCLUDED, misfire.MOVED, facts={"moved_to": moved_to})
    assert said == "A day off: moved to 2026-03-12 16:00."
    said = words(Verdict.RAN, nominal_at=NOW)
    assert said == "It stands for 2026-03-10 16:00, a day off."


def test_a_zone_that_this_machine_does_not_know_hides_nothing() -> None:
    fire = Fire(due_at=NOW, verdict=Verdict.RAN, nominal_at=NOW)
    assert "2026-03-10 08:00" in word_fire(fire, "Mars/Olympus")


def test_a_refusal_is_said_as_the_submission_said_it() -> None:
    facts = {"message": "The arguments do not fit add: a: is required"}
    assert words(Verdict.REFUSED, refusals.ARGUMENTS, facts=facts) == facts["message"]
    assert words(Verdict.REFUSED) == "The job could not be submitted."


def test_what_is_wrong_with_an_argument_is_said_in_the_readers_language() -> None:
    problems = {"a": "is required", "b": "must be at most 9", "c": "a custom sentence"}
    facts = {"task": "add", "problems": problems, "message": "stored in English"}
    said = words(Verdict.REFUSED, refusals.ARGUMENTS, facts=facts)
    assert said == (
        "The arguments do not fit add: a: is required; b: must be at most 9;"
        " c: a custom sentence"
    )
    with translation.override("zh-hans"):
        said = words(Verdict.REFUSED, refusals.ARGUMENTS, facts=facts)
    assert not {"required", "most", "arguments"} & set(said.split())
    assert "a custom sentence" in said


def test_what_can_be_said_anew_is_in_the_readers_language() -> None:
    facts = {"task": "shop.gone", "message": "stored in English"}
    said = words(Verdict.REFUSED, refusals.TASK, facts=facts)
    assert said.startswith("Task shop.gone is not registered. The scheduler did not")
    assert "TASKYARD_TASKS" in said
    facts = {"size": 300 * 1024, "limit": 256 * 1024, "message": "stored"}
    said = words(Verdict.REFUSED, refusals.SIZE, facts=facts)
    assert said.startswith("The arguments take 300 KB; at most 256 KB are accepted.")
