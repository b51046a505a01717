from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.broker.stock_entries import StockEntry
from tasks.schedules import foreign
from tasks.schedules.foreign import (
    Found,
    find_in_crontab,
    find_in_rq_cron,
    find_in_rq_scheduler,
    machine_zone,
)

SCORE = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(**fields: Any) -> StockEntry:
    facts: dict[str, Any] = {
        "id": "sums",
        "score": SCORE.timestamp(),
        "queue": "low",
        "path": "tests.sample.add",
        "args": [1],
        "meta": {"interval": 60},
    }
    return StockEntry(**(facts | fields))


def found_of(
    monkeypatch: pytest.MonkeyPatch, *entries: StockEntry, zone: str = "UTC"
) -> list[Found]:
    monkeypatch.setattr(foreign, "read_entries", lambda **_options: list(entries))
    return find_in_rq_scheduler(trust_pickle=True, zone=zone)


def definition(found: Found) -> dict[str, Any]:
    assert found.definition is not None, found.problem
    return dict(found.definition)


class TestRqScheduler:
    def test_an_interval_goes_on_from_its_next_moment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = entry(meta={"interval": 60, "repeat": 7}, timeout="90", at_front=True)
        (found,) = found_of(monkeypatch, shown)
        assert definition(found) == {
            "name": "sums",
            "task": "tests.sample.add",
            "args": [1],
            "kwargs": {},
            "kind": "every",
            "every": 60.0,
            "starts_at": SCORE,
            "most_fires": 7,
            "queue": "low",
            "timeout": 90,
            "at_front": True,
        }
        assert found.entry_id == "sums"

    def test_a_cron_string_is_read_in_the_zone_of_its_process(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = entry(meta={"cron_string": "0 9 * * 1-5 *"})
        (found,) = found_of(monkeypatch, shown, zone="Asia/Shanghai")
        assert definition(found)["expression"] == "0 9 * * 1-5"
        assert definition(found)["zone"] == "Asia/Shanghai"

    def test_ids_that_nobody_chose_stand_behind_the_function(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id_ = "0b3f1c9e-2222-4333-8444-555566667777"
        (found,) = found_of(monkeypatch, entry(id=id_))
        assert definition(found)["name"] == "tests.sample.add 0b3f1c9e"

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"path": "tests.plain.double"}, "tests.plain.double is not registered"),
            ({"problem": "is pickled"}, "is pickled"),
            ({"meta": {"cron_string": "0 9 1 * 5"}}, "both match"),
            ({"meta": {"interval": None}}, "interval: None is no number"),
            ({"timeout": "soon"}, "timeout: soon is no number"),
            ({"meta": {"interval": 10**400}}, f"interval: 1{'0' * 29} is no number"),
            (
                {"meta": {"interval": 60, "repeat": float("inf")}},
                "repeat: inf is no number, or one that is too large or too small",
            ),
            ({"score": float("inf")}, "score: inf is no number"),
            ({"score": -1e18}, "score: -1e+18 is no number"),
        ],
    )
    def test_what_cannot_be_a_schedule_says_why(
        self, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str
    ) -> None:
        (found,) = found_of(monkeypatch, entry(**fields))
        assert found.definition is None
        assert words in found.problem

    def test_what_is_left_out_is_noted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (found,) = found_of(monkeypatch, entry(has_more=True))
        assert "callbacks" in found.notes[0]


class TestRqCron:
    JOB: dict[str, Any] = {
        "name": "sums",
        "func_name": "tests.sample.add",
        "queue_name": "low",
        "args": "[1]",
        "kwargs": None,
        "cron": "0 9 * * 1-5",
        "job_timeout": 9,
    }

    def look(self, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Found:
        monkeypatch.setattr(foreign, "read_cron_jobs", lambda: [self.JOB | fields])
        (found,) = find_in_rq_cron()
        return found

    def test_expressions_are_in_utc(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.look(monkeypatch)
        assert definition(found) == {
            "name": "sums",
            "task": "tests.sample.add",
            "args": [1],
            "kwargs": {},
            "kind": "cron",
            "expression": "0 9 * * 1-5",
            "zone": "UTC",
            "queue": "low",
            "timeout": 9,
        }
        assert "rqcron" in found.notes[0]

    def test_intervals_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.look(monkeypatch, cron=None, interval=60)
        assert (definition(found)["kind"], definition(found)["every"]) == (
            "every",
            60.0,
        )

    def test_an_interval_that_is_no_number_is_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = self.look(monkeypatch, cron=None, interval="soon")
        assert "interval: soon is no number" in found.problem

    def test_arguments_that_rq_could_not_write_are_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = self.look(monkeypatch, args="<not JSON serializable>")
        assert "JSON cannot hold them" in found.problem

    def test_a_configuration_is_asked_for_by_its_full_path(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def load(path: str) -> list[dict[str, Any]]:
            asked.append(path)
            return [{"name": "sums", "error": "no such queue"}]

        monkeypatch.setattr(foreign, "load_cron_config", load)
        (found,) = find_in_rq_cron("conf/cron.py")
        find_in_rq_cron("conf.cron")
        assert found.problem == "no such queue"
        assert (asked[0][0], asked[1]) == ("/", "conf.cron")


class TestCrontab:
    def test_each_line_is_a_definition_or_a_problem(self) -> None:
        text = "# Nightly backup: full\n0 3 * * * /bin/backup\n@reboot /bin/start\n"
        good, bad = find_in_crontab(text, system=False, zone="Europe/Berlin")
        assert definition(good)["name"] == "Nightly backup: full"
        assert definition(good)["zone"] == "Europe/Berlin"
        assert definition(good)["task"] == "run_command"
        assert bad.source == "line 3"
        assert "@reboot" in bad.problem


def test_this_machine_has_a_zone() -> None:
    assert machine_zone()
