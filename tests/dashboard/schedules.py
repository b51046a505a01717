"""Schedules and Fires for the tests of their pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.policy import Actor
from tasks.schedules import definitions
from tests.dashboard.soup import Node, Soup

MARA = Actor("mara", "web")

#: A form of a new schedule, filled.
FILLED = {
    "task": "tests.sample.add",
    "arg-a": "1",
    "arg-b": "2",
    "set-name": "nightly",
    "set-kind": "cron",
    "set-expression": "0 9 * * 1-5",
    "set-zone": "Asia/Shanghai",
}

MORNING = datetime(2026, 3, 2, 1, tzinfo=UTC)


def make_schedule(name: str = "nightly", **values: Any) -> Schedule:
    """Make a schedule of each morning in Shanghai, which is what `values` do not change."""
    facts: dict[str, Any] = {
        "task": "tests.sample.add",
        "kwargs": {"a": 1},
        "zone": "Asia/Shanghai",
    }
    if "kind" not in values:
        facts["expression"] = "0 9 * * *"
    return definitions.create(MARA, name, {**facts, **values})


def make_fire(schedule: Schedule, *, days: int = 0, **fields: Any) -> Fire:
    """Make the Fire of a morning, so many days after the first."""
    due_at = MORNING + timedelta(days=days)
    facts = {"due_at": due_at, "decided_at": due_at, "verdict": Verdict.RAN}
    return Fire.objects.create(schedule=schedule, **{**facts, **fields})


def find(node: Node, tag: str, **wanted: Any) -> Node:
    found = node.find(tag, **wanted)
    assert found, wanted
    return found


def words(node: Node) -> str:
    """Return a node's text with single blanks."""
    return " ".join(node.text.split())


def look(client: Client, url: str) -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


def sent(client: Client, url: str, status: int, **data: Any) -> Soup:
    response = client.post(url, data)
    assert response.status_code == status
    return Soup(response.content)


def inputs(form: Node) -> dict[str, str]:
    """Return what a browser would send of a form as it stands."""
    sends = {
        node.attrs["name"]: node.attrs.get("value", "")
        for node in form.find_all("input", name=bool)
        if node.attrs.get("type") != "checkbox" or "checked" in node.attrs
    }
    for select in form.find_all("select", name=bool):
        options = select.find_all("option")
        chosen = [one for one in options if "selected" in one.attrs] or options
        sends[select.attrs["name"]] = chosen[0].attrs["value"]
    return sends
