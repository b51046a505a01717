"""The contract with RQ 2.12: its own client, worker and readers beside ours."""

from __future__ import annotations

import pytest

from tasks.worker import context
from tests.integration.conftest import fleet, folder, make_fleet

__all__ = ["fleet", "folder", "make_fleet"]


@pytest.fixture(autouse=True)
def _plain_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children as a worker without Django does, in a third of the time."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)


@pytest.fixture(autouse=True)
def _no_job_yet() -> None:
    """Forget the job that an earlier test left as the current one."""
    context._current.set(None)
