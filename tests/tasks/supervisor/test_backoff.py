from __future__ import annotations

import pytest

from tasks.supervisor.backoff import (
    LONGEST_DELAY,
    STEADY_AFTER,
    count_deaths,
    restart_delay,
)


@pytest.mark.parametrize(
    ("deaths", "seconds"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 30), (5000, 30)]
)
def test_each_death_in_a_row_doubles_the_delay_up_to_the_longest(
    deaths: int, seconds: float
) -> None:
    assert restart_delay(deaths) == seconds
    assert seconds <= LONGEST_DELAY


def test_a_quick_death_adds_to_the_row() -> None:
    assert count_deaths(3, ran_for=STEADY_AFTER - 1) == 4


def test_a_death_after_a_good_while_begins_a_new_row() -> None:
    assert count_deaths(9, ran_for=STEADY_AFTER) == 1
