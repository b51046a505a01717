from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from tasks.schedules.fields import read_values
from tasks.schedules.gathering import Gathering
from tasks.schedules.preview import draft
from tests.tasks.schedules.samples import at

NINE: dict[str, Any] = {"kind": "once", "at": "2026-11-23T09:00"}


@pytest.mark.parametrize("named", [{}, {"zone": None}])
def test_a_time_without_zone_is_one_of_the_zone_that_the_schedule_gets(
    named: dict[str, Any],
) -> None:
    with override_settings(TIME_ZONE="Asia/Shanghai"):
        made = draft({**NINE, **named})
    assert made.zone == "Asia/Shanghai"
    assert made.at == at("2026-11-23T09:00+08:00")


def test_a_time_without_zone_is_one_of_the_zone_that_is_given_with_it() -> None:
    values = read_values(
        {**NINE, "zone": "Europe/Berlin"}, "Asia/Shanghai", Gathering()
    )
    assert values["at"] == at("2026-11-23T09:00+01:00")


def test_a_change_without_a_zone_means_the_schedules_own() -> None:
    values = read_values(NINE, "Asia/Shanghai", Gathering())
    assert values["at"] == at("2026-11-23T09:00+08:00")
