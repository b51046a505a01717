from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks import pauses
from tasks.errors import BrokerUnavailable
from tasks.management.commands import queues
from tasks.models import Audit, Pause
from tasks.policy import cli_actor
from tests.engine import push_job
from tests.factories import create_pause

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queues", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


def test_it_lists_what_queues_hold_and_who_holds_them_back() -> None:
    push_job(queue="low")
    push_job(queue="high")
    create_pause(
        "low", reason="deploy\x1b[2J", until=timezone.now() + timedelta(hours=5)
    )
    heads, high, low = run().splitlines()
    assert heads.split()[:3] == ["QUEUE", "WAITING", "RUNNING"]
    assert high.split()[:3] == ["high", "1", "0"]
    assert "paused by mara, 4 h left: deploy·[2J" in low


def test_no_queue_yet() -> None:
    assert run() == "No queues.\n"


def test_json_is_a_line_for_each() -> None:
    push_job(queue="low")
    create_pause("fresh", reason="deploy")
    fresh, low = map(json.loads, run("--json").splitlines())
    assert (low["name"], low["waiting"], low["paused"]) == ("low", 1, None)
    assert (fresh["waiting"], fresh["paused"]["reason"]) == (0, "deploy")
    assert fresh["paused"]["since"].endswith("+00:00")


def test_it_pauses_as_the_system_user_and_resumes() -> None:
    said = run("pause", "default", "--reason", "deploy", "--for", "15m")
    assert said == "Queue default is paused; jobs that run go on.\n"
    pause = Pause.objects.get()
    assert (pause.reason, pause.actor) == ("deploy", cli_actor().name)
    assert pause.until is not None
    assert timedelta(minutes=14) < pause.until - timezone.now() <= timedelta(minutes=15)
    assert run("resume", "default") == "Queue default goes on.\n"
    assert run("resume", "default") == "Queue default was not paused.\n"
    assert [entry.via for entry in Audit.objects.all()] == ["cli", "cli"]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_time_is_a_number_with_its_unit(text: str, span: timedelta) -> None:
    assert queues._span(text) == span


@pytest.mark.parametrize(
    "text", ["", "0m", "15", "m", "-1h", "1.5h", "1w", "999999999d"]
)
def test_another_time_is_refused(text: str) -> None:
    assert "write a time like" in refused("pause", "default", f"--for={text}")
    assert not Pause.objects.exists()


def test_an_unknown_queue_is_wrong_input() -> None:
    with pytest.raises(CommandError) as caught:
        run("pause", "emials")
    assert caught.value.returncode == 2
    assert str(caught.value) == "There is no queue emials. Did you mean emails?"


def test_while_redis_is_away_it_is_kept_and_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise BrokerUnavailable("refused")

    monkeypatch.setattr(pauses, "reconcile", fail)
    out, err = io.StringIO(), io.StringIO()
    call_command("queues", "pause", "default", stdout=out, stderr=err)
    assert out.getvalue() == ""
    assert "Redis does not answer now" in err.getvalue()
    assert pauses.current_pauses()
