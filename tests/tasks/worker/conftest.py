from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _plain_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children as a worker without Django does, in a third of the time."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
