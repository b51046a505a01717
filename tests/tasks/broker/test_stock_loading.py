from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.broker import keys
from tasks.broker.stock_cron import read_cron_jobs
from tasks.broker.stock_loading import load_cron_config, load_entries
from tests.engine import client

CONFIG = """
from rq import cron
from tests.sample import add

print("loading")
cron.register(add, "low", args=(1,), cron="0 9 * * 1-5", name="sums")
cron.register(add, "low", kwargs={"a": 1}, interval=60, job_timeout=9)
cron.register(add, "low")
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "cron_config.py"
    path.write_text(CONFIG)
    return str(path)


def test_a_configuration_is_read_with_its_mistakes(config: str) -> None:
    first, second, third = load_cron_config(config)
    assert (first["name"], first["cron"]) == ("sums", "0 9 * * 1-5")
    assert json.loads(first["args"]) == [1]
    assert (second["func_name"], second["interval"]) == ("tests.sample.add", 60)
    assert second["job_timeout"] == 9
    assert "interval or cron" in third["error"]


def test_one_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    (answer,) = load_cron_config("tests.no_such_config")
    assert "no_such_config" in answer["error"]
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    (answer,) = load_cron_config(str(broken))
    assert "division by zero" in answer["error"]


def test_one_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    (answer,) = load_cron_config(str(slow), within=0.2)
    assert "longer than 0.2 s" in answer["error"]


def test_where_no_child_comes_up_all_are_answered_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.settings")
    answers = load_entries([{"data": "", "meta": ""}] * 20)
    assert len(answers) == 20
    assert "no" in answers[0]["error"]


def test_schedulers_tell_redis_what_they_run() -> None:
    jobs = [{"func_name": "a.b", "queue_name": "low", "interval": 60}]
    for name, ran in (("one", "2026-01-01"), ("two", "2026-01-02")):
        client().zadd(keys.CRON_SCHEDULERS, {name: 1})
        told = [{**job, "latest_enqueue_time": ran} for job in jobs]
        client().hset(keys.cron_scheduler(name), "cron_jobs", json.dumps(told))
    client().zadd(keys.CRON_SCHEDULERS, {"gone": 1})
    (job,) = read_cron_jobs()
    assert (job["func_name"], job["interval"]) == ("a.b", 60)
