from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tasks.models import Audit
from tasks.policy import cli_actor
from tasks.states import State
from tests.factories import create_job, create_recovery, lose_job
from tests.listening import listening, register

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("workers", *arguments, stdout=out)
    return out.getvalue()


def test_it_lists_who_works_and_who_is_lost() -> None:
    register("w1", **{"ty:running": 2, "state": "idle"})
    register("w2", **{"ty:quiet": 1700000000})
    register("w3", version="2.12.0\x1b[2J")
    create_recovery("w9", noticed_by="supervisor")
    for state in (State.FINISHED, State.QUEUED):
        lose_job(create_job(state=state), "w9")
    heads, busy, quiet, stock, empty, lost_heads, lost = run().splitlines()
    assert heads.split() == [
        *("WORKER", "STATE", "RUNNING", "SLOTS"),
        *("BEAT", "VERSION", "QUEUES"),
    ]
    assert busy.split()[:4] == ["w1", "busy", "2", "4"]
    assert quiet.split()[:2] == ["w2", "quiet"]
    assert "RQ 2.12.0·[2J" in stock
    assert (empty, lost_heads.split()[0]) == ("", "LOST")
    assert "16 s later (supervisor)" in lost
    assert lost.endswith("1 queued, 1 finished")


def test_it_says_which_tasks_a_worker_holds_back() -> None:
    facts = {"since": 1700000000, "failures": 23, "held": 7, "every": 32}
    register("w1", **{"ty:breakers": json.dumps({"mail": facts})})
    assert run().splitlines()[-1] == (
        "Task mail failed 23 times in a row on worker w1: its jobs wait, one is tried"
        " each 32 s."
    )
    (breaker,) = json.loads(run("--json"))["breakers"]
    assert (breaker["task"], breaker["failures"], breaker["every"]) == ("mail", 23, 32)


def test_a_silent_one_that_nobody_took_over() -> None:
    register("w1", silent_for=60)
    lines = run().splitlines()
    assert lines[0] == "No worker is running."
    assert "not yet" in lines[-1]


def test_nobody_is_there() -> None:
    assert run() == "No worker is running.\n"


def test_json_is_a_line_for_each() -> None:
    register("w1")
    create_recovery("w9")
    lose_job(create_job(), "w9")
    live, lost = map(json.loads, run("--json").splitlines())
    assert (live["name"], live["lost"], live["queues"]) == ("w1", False, ["default"])
    assert (lost["name"], lost["lost"], lost["jobs"]) == ("w9", True, {"queued": 1})
    assert lost["noticed_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("verb", "command"), [("quiet", "quiet"), ("wake", "wake"), ("stop", "shutdown")]
)
def test_it_tells_a_worker_as_the_system_user(verb: str, command: str) -> None:
    register("w1")
    with listening("w1") as hear:
        assert run(verb, "w1").startswith("Worker w1 ")
        assert hear()[1]["command"] == command
    entry = Audit.objects.get()
    assert (entry.actor, entry.via) == (cli_actor().name, "cli")


def test_an_unknown_worker_is_wrong_input_a_deaf_one_is_not() -> None:
    register("w1", silent_for=60)
    codes = []
    for name in ("w2", "w1"):
        with pytest.raises(CommandError) as caught:
            run("quiet", name)
        codes.append(caught.value.returncode)
    assert codes == [2, 1]


@pytest.mark.parametrize("verb", ["quiet", "wake"])
def test_it_tells_them_all(verb: str) -> None:
    with listening("w1") as hear:
        assert run(verb, "--all").startswith("1 worker takes ")
        assert hear()[1] == {"command": verb}


@pytest.mark.parametrize(
    "arguments", [("quiet",), ("quiet", "w1", "--all"), ("stop", "--all")]
)
def test_it_asks_whom_to_tell(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert not Audit.objects.exists()
