from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tasks import retention
from tasks.conf import get_config
from tasks.models import Recovery
from tasks.retention import prune_recoveries
from tasks.scheduler import Scheduler
from tests.factories import create_recovery

pytestmark = pytest.mark.django_db


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def kept() -> set[str]:
    return set(Recovery.objects.values_list("worker", flat=True))


def test_a_loss_is_kept_for_thirty_days() -> None:
    for days in (1, 29.9, 30.1, 400):
        create_recovery(f"w{days}", noticed_at=days_ago(days))
    assert prune_recoveries() == 2
    assert kept() == {"w1", "w29.9"}
    assert prune_recoveries() == 0


def test_for_how_long_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_config(), "taskyard_recovery_days", 3)
    for days in (2, 4):
        create_recovery(f"w{days}", noticed_at=days_ago(days))
    prune_recoveries()
    assert kept() == {"w2"}


def test_a_round_removes_a_bounded_number_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for days in (41, 43, 42):
        create_recovery(f"w{days}", noticed_at=days_ago(days))
    assert prune_recoveries() == 2
    assert kept() == {"w41"}


def test_it_is_a_chore_of_the_scheduler() -> None:
    create_recovery("old", noticed_at=days_ago(31))
    create_recovery("new")
    Scheduler().step()
    assert kept() == {"new"}
