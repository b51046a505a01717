from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dashboard.collisions import Clash, clashes_in
from tasks.schedules.preview import PreviewMoment

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)


def moment(at: datetime, *names: str) -> PreviewMoment:
    late = timedelta(seconds=20)
    return PreviewMoment(due_at=at, runs_at=at + late, note="", collides_with=names)


def test_what_comes_each_time_is_told_once_and_last() -> None:
    found = clashes_in([moment(NOON, "often"), moment(ONE, "hourly", "often")])
    assert found == [
        Clash(["hourly"], (ONE,), is_each=False),
        Clash(["often"], (NOON, ONE), is_each=True),
    ]


def test_a_single_moment_is_named() -> None:
    assert clashes_in([moment(NOON, "b", "a")]) == [
        Clash(["a", "b"], (NOON,), is_each=False)
    ]


def test_nothing_else_is_no_clash() -> None:
    assert clashes_in([moment(NOON), moment(ONE)]) == []


def test_names_are_cut_only_where_their_moments_are_known() -> None:
    often = [f"often {number:02}" for number in range(12)]
    once = [f"a {number}" for number in range(9)]
    assert clashes_in([moment(NOON, *once, *often), moment(ONE, *often)]) == [
        Clash(once, (NOON,), is_each=False),
        Clash(often[:10], (NOON, ONE), is_each=True, more=2),
    ]
