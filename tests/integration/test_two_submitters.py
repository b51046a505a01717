from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

#: Submits one job under each of 30 keys, as soon as a file says go.
RACER = """
import json, os, sys, pathlib, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from tasks import submit
from tests.sample import add
folder = pathlib.Path(sys.argv[1])
(folder / f"ready-{os.getpid()}").touch()
while not (folder / "go").exists():
    pass
handles = [submit(add, [n], idempotency_key=f"k{n}") for n in range(30)]
print(json.dumps([[handle.id, handle.created] for handle in handles]))
"""


def test_two_processes_that_use_the_same_keys_get_the_same_jobs(
    make_fleet: Callable[..., Fleet], folder: Path, ledger: Ledger
) -> None:
    """Redis is away, which is none of their business."""
    fleet = make_fleet(REDIS_URL="unix:///nowhere.sock", **ledger.environment)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    racers = [fleet.start("-c", RACER, str(folder)) for _ in range(2)]
    wait_until(lambda: len(list(folder.glob("ready-*"))) == 2, START)
    (folder / "go").touch()
    one, two = (json.loads(racer.communicate(timeout=START)[0]) for racer in racers)
    assert [job_id for job_id, _created in one] == [job_id for job_id, _created in two]
    assert all(first[1] != second[1] for first, second in zip(one, two, strict=True))
    assert ledger.rows("SELECT COUNT(*) FROM tasks_job") == [(30,)]
