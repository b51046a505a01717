from __future__ import annotations

import pytest

from tasks.schedules.day_titles import Meaning, read_meaning


@pytest.mark.parametrize(
    "title",
    [
        "春节 班",
        "春节（班）",
        "(班) 国庆节",
        "班\uff5c劳动节",
        "元旦 补班",
        "中秋節 補班",
        "国庆节调休上班",
        "上班(补春节假期)",
        "特殊工作日",
        "Special Working Day",
        "Make-up workday for Spring Festival",
        "Saturday work-day",
    ],
)
def test_a_title_may_mark_a_working_day(title: str) -> None:
    assert read_meaning(title) is Meaning.WORKS


@pytest.mark.parametrize(
    "title", ["春节 休", "国庆节（休）", "休\uff5c元旦", "调休：休息"]
)
def test_a_title_may_mark_a_day_off(title: str) -> None:
    assert read_meaning(title) is Meaning.MARKED_OFF


@pytest.mark.parametrize(
    "title",
    [
        "",
        "Good Friday",
        "春节假期",
        "调休放假",
        "放假，不上班",
        "元旦 无需上班",
        "颱風 停班停課",
        "春节值班",
        "Special Non-Working Day",
        "Nonworking day",
        "Not a working day",
        "Labour Day",
        "World Network Daylight",
    ],
)
def test_any_other_title_is_a_day_off(title: str) -> None:
    assert read_meaning(title) is Meaning.OFF


def test_swapped_days_may_be_either() -> None:
    assert read_meaning("国庆节调休") is Meaning.SWAPPED


@pytest.mark.parametrize(
    ("field", "meaning"),
    [
        ("ALTERNATE-WORKDAY", Meaning.WORKS),
        ("work-holiday", Meaning.MARKED_OFF),
        ("BIRTHDAY", Meaning.OFF),
    ],
)
def test_the_field_of_apple_goes_before_the_title(field: str, meaning: Meaning) -> None:
    assert read_meaning("Spring Festival", apple=field) is meaning
    if meaning is not Meaning.OFF:
        assert read_meaning("春节（班）（休）", apple=field) is meaning


@pytest.mark.parametrize(
    ("description", "meaning"),
    [
        ("Public holiday", Meaning.OFF),
        (
            "Observance\nTo hide observances, go to Google Calendar Settings",
            Meaning.OBSERVED,
        ),
        ("节日\n如需隐藏节日，请前往 Google 日历设置", Meaning.OBSERVED),
        ("Closed. Meet us on Google Meet", Meaning.OFF),
    ],
)
def test_what_google_only_observes_is_not_off(
    description: str, meaning: Meaning
) -> None:
    assert read_meaning("Lantern Festival", description=description) is meaning
