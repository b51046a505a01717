from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rq_scheduler import Scheduler

from tasks.broker import keys
from tasks.errors import BrokerUnavailable
from tasks.management import schedule_imports
from tasks.models import Schedule
from tests.engine import client
from tests.sample import add
from tests.timetable import create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

SOON = datetime(2036, 1, 2, 3, 4, 5)

DOCUMENT = """
- name: nightly
  task: greet
  kwargs: {name: x}
  kind: cron
  expression: "@daily"
"""


def run(*arguments: str) -> tuple[str, str, int]:
    """Return what an import says on both outputs, and its exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("schedules", "import", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"{error}\n")
        code = error.returncode
    return out.getvalue(), err.getvalue(), code


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "schedules.yaml"
    path.write_text(DOCUMENT)
    return str(path)


class TestDocuments:
    def test_a_dry_run_only_tells(self, document: str) -> None:
        out, err, code = run(document, "--dry-run")
        assert out.splitlines()[0] == "+ nightly"
        assert out.splitlines()[-1] == (
            "1 to create, 0 to change, 0 to delete, 0 the same"
        )
        assert (err, code, Schedule.objects.count()) == ("", 0, 0)

    def test_an_import_does_it(self, document: str) -> None:
        create_schedule("old")
        out, _err, code = run(document, "--prune")
        assert out.splitlines()[-1] == "1 created, 0 changed, 1 deleted, 0 the same"
        assert (code, Schedule.objects.get().expression) == (0, "0 0 * * *")

    def test_what_cannot_be_applied_is_told(self, document: str) -> None:
        path = Path(document)
        path.write_text(DOCUMENT.replace("greet", "gret"))
        _out, err, code = run(document, "--dry-run")
        assert ("Did you mean greet?" in err, code) == (True, 1)
        _out, err, code = run(document)
        assert ("Did you mean greet?" in err, code) == (True, 2)

    def test_a_document_that_cannot_be_read_is_told_with_the_line(
        self, document: str
    ) -> None:
        Path(document).write_text("- name: a\n  colour: blue\n")
        _out, err, code = run(document)
        assert ("line 2" in err, code) == (True, 2)
        _out, err, code = run("/no/such/file.yaml")
        assert ("cannot be read: No such file" in err, code) == (True, 2)


class TestCrontab:
    def test_what_can_be_is_imported_and_the_rest_told(self, tmp_path: Path) -> None:
        path = tmp_path / "crontab"
        path.write_text("MAILTO=ops\n0 3 * * * /bin/backup\n@reboot /bin/start\n")
        out, err, code = run("crontab", str(path), "--zone", "Europe/Berlin")
        row = Schedule.objects.get()
        assert (row.name, row.zone, row.task) == (
            "backup",
            "Europe/Berlin",
            "run_command",
        )
        assert "! backup: Cron mailed its output to ops" in out
        assert "not imported: line 3" in err
        assert "1 schedule was not imported." in err
        assert code == 1

    def test_a_file_must_be_named(self) -> None:
        assert run("crontab")[2] == 2

    def test_one_that_is_empty_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "crontab"
        path.write_text("MAILTO=ops\n")
        assert run("crontab", str(path)) == ("Nothing to import was found.\n", "", 0)

    def test_importing_twice_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "crontab"
        path.write_text("# Nightly: all\n0 3 * * * /bin/a\n# Nightly: all\n@daily b\n")
        out, _err, _code = run("crontab", str(path))
        assert "2 created" in out
        assert "! Nightly all: “Nightly: all” cannot be its name here" in out
        out, _err, _code = run("crontab", str(path))
        assert "0 created, 0 changed, 0 deleted, 2 the same" in out

    def test_a_schedule_of_that_name_that_runs_something_else_stays(
        self, tmp_path: Path
    ) -> None:
        create_schedule("backup")
        path = tmp_path / "crontab"
        path.write_text("0 3 * * * /bin/backup\n")
        out, _err, _code = run("crontab", str(path))
        assert out.startswith("+ backup 2\n")
        assert Schedule.objects.get(name="backup").task == "tests.sample.add"


@pytest.mark.parametrize(
    "arguments",
    [
        ("crontab", "x", "--prune"),
        ("crontab", "x", "--trust-pickle"),
        ("rq-scheduler", "--system"),
        ("rq-scheduler", "x"),
        ("django-rq", "x", "--zone=UTC"),
        ("x.yaml", "--zone=UTC"),
        ("x.yaml", "--system"),
    ],
)
def test_options_without_effect_are_refused(arguments: tuple[str, ...]) -> None:
    _out, err, code = run(*arguments)
    option = arguments[-1].partition("=")[0]
    assert f"{option if option != 'x' else 'FILE'}: is for these only: " in err
    assert code == 2


def test_a_zone_that_is_none_is_refused_once() -> None:
    _out, err, code = run("crontab", "x", "--zone", "Asia/Shangai")
    assert ("Did you mean Asia/Shanghai?" in err, code) == (True, 2)


def schedule(job_id: str, function: Any = add, **options: Any) -> None:
    own = Scheduler("low", connection=client())
    own.schedule(SOON, function, args=[1], interval=60, id=job_id, **options)


def left() -> set[str]:
    return {member.decode() for member in client().zrange(keys.DELAYED, 0, -1)}


class TestRqScheduler:
    def test_a_dry_run_leaves_the_entries(self) -> None:
        schedule("sums")
        out, _err, code = run("rq-scheduler", "--trust-pickle", "--dry-run")
        assert out.startswith("+ sums")
        assert (left(), Schedule.objects.count(), code) == ({"sums"}, 0, 0)

    def test_entries_go_when_their_schedules_are_saved(self) -> None:
        schedule("sums")
        schedule("doubles", "tests.plain.double")
        own = Scheduler("low", connection=client())
        delayed = own.enqueue_at(SOON, add, 1)
        out, err, code = run("rq-scheduler", "--trust-pickle")
        row = Schedule.objects.get()
        assert (row.name, row.kind, row.every, row.queue) == (
            "sums",
            "every",
            60,
            "low",
        )
        assert "1 created" in out
        assert "tests.plain.double is not registered" in err
        assert (left(), code) == ({"doubles", delayed.id}, 1)

    def test_nothing_is_loaded_without_trust(self) -> None:
        schedule("sums")
        _out, err, code = run("rq-scheduler")
        assert "--trust-pickle" in err
        assert (left(), Schedule.objects.count(), code) == ({"sums"}, 0, 1)

    def test_whoever_is_stopped_between_imports_the_same_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_job_id: str) -> bool:
            raise BrokerUnavailable("gone")

        schedule("sums")
        with monkeypatch.context() as patched:
            patched.setattr(schedule_imports, "remove_entry", fail)
            assert run("rq-scheduler", "--trust-pickle")[2] == 1
        assert left() == {"sums"}
        out, _err, code = run("rq-scheduler", "--trust-pickle")
        assert ("1 the same" in out, left(), code) == (True, set(), 0)
        assert Schedule.objects.count() == 1

    def test_nothing_is_taken_out_when_the_ledger_fails(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_facts: object, **_options: object) -> Any:
            raise BrokerUnavailable("gone")

        schedule("sums")
        monkeypatch.setattr(schedule_imports, "apply", fail)
        assert run("rq-scheduler", "--trust-pickle")[2] == 1
        assert left() == {"sums"}


class TestDjangoRq:
    def test_without_any_that_runs_the_way_out_is_told(self) -> None:
        out, _err, code = run("django-rq")
        assert ("name the module or file" in out, code) == (True, 0)

    def test_a_configuration_is_imported(self, tmp_path: Path) -> None:
        path = tmp_path / "cron_config.py"
        path.write_text(
            "from rq import cron\nfrom tests.sample import add\n"
            "cron.register(add, 'low', args=(1,), cron='0 9 * * 1-5', name='sums')\n"
        )
        out, _err, code = run("django-rq", str(path))
        row = Schedule.objects.get()
        assert (row.name, row.expression, row.zone) == ("sums", "0 9 * * 1-5", "UTC")
        assert ("Stop its rqcron" in out, code) == (True, 0)
