from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tasks.models import ApiToken, Audit, Dependency, Job
from tasks.states import State
from tests.factories import create_job

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    """Run a command that must end with 2, and return its sentence."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


class TestSubmit:
    def test_it_prints_the_id_and_the_state(self) -> None:
        job_id, state = run("submit", "greet", "name=123").split()
        job = Job.objects.get(pk=job_id)
        assert (state, job.kwargs["name"]) == ("queued", "123")
        assert job.submitted_by.startswith("cli · ")

    def test_every_option_reaches_the_job(self) -> None:
        for parent in ("one", "two"):
            run("submit", "greet", "name=x", f"--id={parent}")
        options = (
            "--id mine --queue low --depends-on one,two --allow-failure --retries 0"
            " --backoff 1.5 --timeout 9 --tags a,b --tags c --at-front"
            " --idempotency-key k --description why"
        )
        line = run("submit", "--json", "greet", *options.split(), "name=x")
        told = json.loads(line)
        assert told == {"id": "mine", "state": "deferred", "created": True}
        job = Job.objects.get(pk="mine")
        assert (job.queue, job.retries, job.backoff, job.timeout) == ("low", 0, 1.5, 9)
        assert (job.at_front, job.allow_failure) == (True, True)
        assert job.tags == ["mail", "a", "b", "c"]
        assert (job.idempotency_key, job.description) == ("k", "why")
        parents = Dependency.objects.filter(child="mine").values_list(
            "parent", flat=True
        )
        assert set(parents) == {"one", "two"}

    @pytest.mark.usefixtures("full_redis")
    def test_a_redis_that_is_full_is_1_with_its_sentence(self) -> None:
        with pytest.raises(CommandError, match="raise maxmemory") as caught:
            run("submit", "greet", "name=x")
        assert caught.value.returncode == 1

    def test_a_moment_without_a_zone_is_utc(self) -> None:
        run("submit", "greet", "name=x", "--at", "2030-01-02T03:04", "--id", "later")
        due_at = Job.objects.get(pk="later").due_at
        assert due_at is not None
        assert due_at.isoformat() == "2030-01-02T03:04:00+00:00"

    def test_a_delay_makes_it_scheduled(self) -> None:
        assert (
            run("submit", "greet", "name=x", "--delay", "60").split()[1] == "scheduled"
        )

    def test_options_may_stand_between_the_arguments(self) -> None:
        job_id = run(
            "submit", "greet", "name=x", "--queue", "low", "loudly=true"
        ).split()[0]
        job = Job.objects.get(pk=job_id)
        assert (job.queue, job.kwargs["loudly"]) == ("low", True)

    def test_a_repeat_of_an_idempotency_key_says_so(self) -> None:
        first = run("submit", "greet", "name=x", "--idempotency-key", "k")
        again = run("submit", "greet", "name=x", "--idempotency-key", "k")
        assert again.split()[0] == first.split()[0]
        assert "was submitted before" in again

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["gret"], "Task gret is not registered. Did you mean greet?"),
            (["greet"], "name: is required"),
            (["greet", "nme=x"], "nme: is not an argument of this task"),
            (["greet", "name=x", "loudly=maybe"], "loudly: must be true or false"),
            (["greet", "name"], "name: write it as key=value"),
            (["greet", "name=x", "--retries", "-1"], "retries: must be a whole number"),
            (["greet", "name=x", "--queue", "a b"], "queue: a name of 1 to 200"),
            (["greet", "name=x", "--depends-on", "nobody"], "there is no job nobody"),
            (["greet", f"name={'x' * 300_000}"], "pass its path or id instead"),
        ],
    )
    def test_bad_input_is_one_sentence_that_names_the_field(
        self, arguments: list[str], sentence: str
    ) -> None:
        said = refused("submit", *arguments)
        assert sentence in said
        assert "\n" not in said
        assert not Job.objects.exists()


class TestJobs:
    def test_it_lists_the_newest_first(self) -> None:
        old = create_job(state=State.FAILED, error="ValueError")
        new = create_job(state=State.FINISHED)
        heads, first, second = run("jobs").splitlines()
        assert heads.split()[:4] == ["ID", "TASK", "QUEUE", "STATE"]
        assert (first.split()[0], second.split()[0]) == (new.id, old.id)
        assert "ValueError" in run("jobs", "--state", "failed")

    def test_it_filters(self) -> None:
        one = create_job(queue="low", task="greet")
        create_job()
        for option in (["--queue", "low"], ["--task", "greet"]):
            assert run("jobs", *option).splitlines()[1].split()[0] == one.id
        assert run("jobs", "--state", "failed") == "No jobs.\n"

    def test_json_is_a_line_for_each(self) -> None:
        for _number in range(3):
            create_job(state=State.FINISHED)
        rows: list[dict[str, Any]] = [
            json.loads(line)
            for line in run("jobs", "--json", "--limit", "2").splitlines()
        ]
        assert len(rows) == 2
        assert rows[0]["state"] == "finished"
        assert rows[0]["created_at"].endswith("+00:00")

    def test_names_cannot_steer_the_terminal(self) -> None:
        create_job(task="evil\x1b[2J\n")
        out = run("jobs")
        assert "\x1b" not in out
        assert len(out.splitlines()) == 2

    @pytest.mark.parametrize("limit", ["0", "-1", "10001"])
    def test_a_limit_out_of_bounds_is_refused(self, limit: str) -> None:
        assert refused("jobs", "--limit", limit).startswith("--limit: ")

    def test_an_unknown_state_is_refused(self) -> None:
        assert "invalid choice" in refused_by_parser("jobs", "--state", "broken")


def refused_by_parser(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


class TestToken:
    def test_it_prints_a_token_that_works(self) -> None:
        text = run("token", "robot").strip()
        token = ApiToken.authenticate(text)
        assert token is not None
        assert (token.name, token.read_only) == ("robot", False)
        assert Audit.objects.get(verb="token.issue").target == "robot"

    def test_it_can_be_read_only(self) -> None:
        token = ApiToken.authenticate(run("token", "robot", "--read-only").strip())
        assert token is not None
        assert token.read_only

    def test_a_name_is_used_once(self) -> None:
        run("token", "robot")
        assert "end that one by --revoke first" in refused("token", "robot")

    def test_it_is_revoked(self) -> None:
        text = run("token", "robot").strip()
        assert run("token", "robot", "--revoke") == "Token robot is revoked.\n"
        assert ApiToken.authenticate(text) is None
        assert Audit.objects.get(verb="token.revoke").target == "robot"
        assert refused("token", "robot", "--revoke") == "There is no token named robot."

    @pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
    def test_odd_names_are_refused(self, name: str) -> None:
        assert refused("token", name).startswith("NAME: ")
