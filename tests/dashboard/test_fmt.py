from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils.translation import override

from dashboard.templatetags import fmt
from tasks.calls import CALL_LIMIT, describe_call, describe_stored
from tasks.states import State

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.9996, "1 s"),
        (2.94, "2.9 s"),
        (41.4, "41 s"),
        (59.8, "1 m"),
        (134, "2 m 14 s"),
        (242, "4 m 02 s"),
        (1140, "19 m"),
        (19_200, "5 h 20 m"),
        (273_600, "3 d 04 h"),
        (timedelta(minutes=2), "2 m"),
    ],
)
def test_durations_show_their_two_largest_units(seconds, text: str) -> None:
    assert fmt.duration(seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=14), "14 s ago"),
        (timedelta(seconds=-8), "in 8 s"),
        (timedelta(minutes=3, seconds=50), "3 m ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(days=60), "2026-09-22"),
    ],
)
def test_relative_times_show_their_largest_unit(ago: timedelta, text: str) -> None:
    assert fmt.relative(NOW - ago, NOW) == text


def test_a_relative_time_says_the_exact_one() -> None:
    html = fmt.ago(NOW)
    assert 'datetime="2026-11-21T12:00:00+00:00"' in html
    assert 'title="2026-11-21 12:00:00 UTC"' in html


def test_no_moment_is_a_dash() -> None:
    assert fmt.ago(None) == fmt.clock(None) == "—"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (512, "512 B"), (3500, "3.4 KB"), (12_582_912, "12 MB"), (None, "—")],
)
def test_sizes(size: int | None, text: str) -> None:
    assert fmt.bytes_size(size) == text


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_counts_have_separators(language: str) -> None:
    with override(language):
        assert fmt.count(100_142) == "100,142"


def test_durations_and_ages_have_chinese_units() -> None:
    with override("zh-hans"):
        assert fmt.duration(134) == "2 分 14 秒"
        assert fmt.relative(NOW, NOW + timedelta(hours=5)) == "5 小时前"


@pytest.mark.parametrize("state", State)
def test_every_state_is_a_sign_and_a_word(state: State) -> None:
    html = fmt.state_word(state)
    assert "<use href=" in html
    assert str(fmt.state_label(state)) in html


def test_a_call_is_written_like_python() -> None:
    assert describe_call([7015], {"amount": 153}) == "(7015, amount=153)"


def test_long_calls_are_cut() -> None:
    text = describe_call(["x" * 1000] * 10, {})
    assert len(text) <= CALL_LIMIT + 2
    assert "…" in text


def test_a_call_that_was_read_in_part_is_still_shown() -> None:
    cut = json.dumps({"table": "t", "rows": [1, 2], "note": "x" * 400})[:300]
    assert describe_stored("[]", cut, 300) == "(table='t', rows=[1, 2], note=…)"
    cut = json.dumps([1, "x" * 400])[:300]
    assert describe_stored(cut, "{}", 300) == "(1, …)"


def test_an_unreadable_call_says_why() -> None:
    assert "no module" in describe_call([], {}, "no module shop")


def test_markup_in_a_call_is_inert() -> None:
    template = Template("{% load fmt %}{{ job|call_text }}")
    job = type("J", (), {"args": ["<b>"], "kwargs": {}, "unreadable": ""})
    assert "<b>" not in template.render(Context({"job": job}))


@pytest.mark.parametrize(
    ("number", "text"), [(3, "3"), (1234.5, "1,234.5"), (2.0, "2")]
)
def test_amounts_are_whole_where_they_are(number: float, text: str) -> None:
    assert fmt.amount(number) == text
