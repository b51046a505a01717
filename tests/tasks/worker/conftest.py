from __future__ import annotations

import pytest

from tasks.worker import context
from tests.tasks.builtin.conftest import configure  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _plain_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children as a worker without Django does, in a third of the time."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)


@pytest.fixture(autouse=True)
def _no_job_yet() -> None:
    """Forget the job that an earlier test left as the current one."""
    context._current.set(None)
