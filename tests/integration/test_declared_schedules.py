"""Several processes that bring declared schedules up to date at the same time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

DECLARED = 40

#: Declares schedules by the environment, and syncs them as soon as a file says go.
RACER = """
import json, os, sys, pathlib, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from dataclasses import replace
from tasks.registry import registry
from tasks.schedules.declared import cron
from tasks.schedules.sync import sync_declared
folder, expression = pathlib.Path(sys.argv[1]), sys.argv[2]
declared = tuple(
    cron(expression, name=f"s{number}", kwargs={"name": "x"}) for number in range(40)
)
greet = replace(registry.get("greet"), schedules=declared)
(folder / f"ready-{expression[0]}-{os.getpid()}").touch()
while not (folder / f"go-{expression[0]}").exists():
    pass
done = sync_declared([greet])
print(json.dumps([len(done.made), len(done.changed), done.problems]))
"""


def race(fleet: Fleet, folder: Path, expression: str) -> list[list[object]]:
    """Have three processes declare the same at once; returns what each says it did."""
    racers = [fleet.start("-c", RACER, str(folder), expression) for _ in range(3)]
    mark = expression[0]
    wait_until(lambda: len(list(folder.glob(f"ready-{mark}-*"))) == 3, START)
    (folder / f"go-{mark}").touch()
    said = [racer.communicate(timeout=START)[0] for racer in racers]
    return [json.loads(words) for words in said]


def test_each_schedule_is_made_and_changed_by_one_of_them(
    make_fleet: Callable[..., Fleet], folder: Path, ledger: Ledger
) -> None:
    fleet = make_fleet(REDIS_URL="unix:///nowhere.sock", **ledger.environment)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    made = race(fleet, folder, "0 9 * * *")
    assert sum(int(str(one[0])) for one in made) == DECLARED
    assert [one[2] for one in made] == [{}, {}, {}]
    changed = race(fleet, folder, "5 9 * * *")
    assert sum(int(str(one[1])) for one in changed) == DECLARED
    assert ledger.rows("SELECT COUNT(*), MAX(version) FROM tasks_schedule") == [
        (DECLARED, 2)
    ]
    audits = ledger.rows("SELECT COUNT(*) FROM tasks_audit WHERE actor = 'code'")
    assert audits == [(2 * DECLARED,)]
