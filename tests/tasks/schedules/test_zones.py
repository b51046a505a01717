from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tasks.errors import InvalidOption
from tasks.schedules import zones
from tasks.schedules.zones import dst_note, place, start_of_day, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")


def refusal(name: object) -> str:
    with pytest.raises(InvalidOption) as caught:
        zone_named(name)
    assert caught.value.option == "zone"
    return caught.value.problem


@pytest.mark.parametrize("name", ["Asia/Shanghai", "UTC", "America/Argentina/Salta"])
def test_a_name_of_the_database_is_a_zone(name: str) -> None:
    assert zone_named(name).key == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Asia/Shangai", "Asia/Shanghai"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("Asia/Beijing", "Asia/Shanghai"),
        ("beijing", "Asia/Shanghai"),
        ("New York", "America/New_York"),
        (" Europe/Berlin ", "Europe/Berlin"),
    ],
)
def test_another_name_brings_the_zone_that_was_meant(name: str, meant: str) -> None:
    expected = (
        f"there is no time zone {name!r}; names are such as Europe/Berlin."
        f" Did you mean {meant}?"
    )
    assert refusal(name) == expected


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "localtime", "Factory", 8, None]
)
def test_what_names_no_place_is_refused(name: object) -> None:
    assert refusal(name).startswith(f"there is no time zone {str(name)!r}")


def test_a_long_name_is_not_repeated_whole() -> None:
    assert len(refusal("x" * 10_000)) < 200


def test_a_machine_without_zones_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zones, "zone_names", frozenset)
    expected = "this machine has no time zones: install the package tzdata"
    assert refusal("Europe/Berlin") == expected


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_wall_time_is_placed_once() -> None:
    assert place(at("2026-07-01T09:00"), BERLIN) == at("2026-07-01T07:00Z")
    assert place(at("2026-10-25T02:30"), BERLIN) == at("2026-10-25T00:30Z")
    assert place(at("2026-03-29T02:30"), BERLIN) == at("2026-03-29T01:00Z")
    assert place(at("2011-12-30T12:00"), APIA) == at("2011-12-30T10:00Z")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "UTC"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_the_first_and_last_of_all_times_have_a_place(zone: str, text: str) -> None:
    assert place(at(text), ZoneInfo(zone)).year == at(text).year


def test_a_day_begins_at_its_first_moment() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    moment = at("2018-11-04T12:00Z")  # its midnight does not exist
    assert start_of_day(moment, sao_paulo) == at("2018-11-04T03:00Z")
    assert start_of_day(moment, sao_paulo, days=1) == at("2018-11-05T02:00Z")


@pytest.mark.parametrize(
    ("moment", "note"),
    [
        ("2026-03-28T12:00Z", ""),
        ("2026-03-29T06:00Z", "At 02:00 the clocks go forward to 03:00 that day."),
        ("2026-10-25T06:00Z", "At 03:00 the clocks go back to 02:00 that day."),
        ("2026-10-25T00:30Z", "02:30 comes twice that day; this is the first time."),
        ("2026-10-25T01:30Z", "02:30 comes twice that day; this is the second time."),
        ("2026-10-26T01:30Z", ""),
        (
            "2026-03-29T01:00Z",
            "02:00 to 03:00 does not exist that day; what is due then runs at 03:00.",
        ),
    ],
)
def test_the_day_of_a_change_has_a_note(moment: str, note: str) -> None:
    assert dst_note(at(moment), BERLIN) == note


def test_a_zone_without_changes_has_no_notes() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    assert not any(
        dst_note(datetime(2026, month, 29, 1, tzinfo=UTC), shanghai)
        for month in range(3, 12)
    )
