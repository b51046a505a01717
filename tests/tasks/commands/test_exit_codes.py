"""The commands as the shell sees them: their exit codes and what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.broker.client import get_client
from tests.conftest import wait_until
from tests.ledgers import Ledger, own_ledger

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]


def manage(ledger: Ledger, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        capture_output=True,
        check=False,
        env=os.environ | ledger.environment,
        cwd=ROOT,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A migrated database of its own."""
    with own_ledger(tmp_path_factory.mktemp("data")) as made:
        assert manage(made, "migrate", "--verbosity", "0").returncode == 0
        yield made


@pytest.fixture
def bare_ledger(tmp_path: Path) -> Iterator[Ledger]:
    with own_ledger(tmp_path) as made:
        yield made


@pytest.fixture
def run(ledger: Ledger) -> Run:
    return lambda *arguments: manage(ledger, *arguments)


@pytest.fixture
def worker(ledger: Ledger) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "worker", "--children", "1"],
        env=os.environ | ledger.environment,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: get_client().scard("rq:workers"), timeout=30)
        yield
        process.terminate()


def test_an_accepted_job_is_0(run: Run) -> None:
    done = run("submit", "greet", "name=x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[1] == "queued"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gret"], "Did you mean greet?"),
        (["greet"], "name: is required"),
        (["greet", b"name=\xff"], "name: is not valid UTF-8 text"),
        (["greet", "name=x", "--delay", "soon"], "argument --delay"),
        (["greet", "name=x", "--at", "soon"], "write a moment like"),
    ],
)
def test_bad_input_is_2_with_its_sentence_on_stderr(
    run: Run, arguments: list[str], sentence: str
) -> None:
    done = run("submit", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("worker")
def test_waiting_ends_as_the_job_does(run: Run) -> None:
    good = run("submit", "tests.sample.add", "a=4", "--wait")
    assert (good.returncode, good.stdout, good.stderr) == (0, "6\n", "")
    text = run("submit", "greet", "name=5", "--wait", "--json")
    assert json.loads(text.stdout)["result"] == "hello 5"
    bad = run("submit", "tests.sample.fail", "text=no luck", "--wait")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "ValueError: no luck" in bad.stderr
    told = json.loads(run("submit", "tests.sample.fail", "--wait", "--json").stdout)
    assert (told["state"], told["error"]) == ("failed", "ValueError: no luck")


def test_the_doctor_is_1_where_nothing_runs(run: Run) -> None:
    done = run("doctor", "--json")
    assert done.returncode == 1
    found = {
        row["check"]: row["level"] for row in map(json.loads, done.stdout.splitlines())
    }
    assert found["redis"] == "ok"
    assert found["database"] == "ok"
    assert found["workers"] == found["scheduler"] == found["recorder"] == "bad"


def test_a_database_without_tables_is_1_and_says_how_to_make_them(
    bare_ledger: Ledger,
) -> None:
    for arguments in (["jobs"], ["token", "x"], ["submit", "greet", "name=x"]):
        done = manage(bare_ledger, *arguments)
        assert done.returncode == 1
        assert "run manage.py migrate" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_token_is_the_only_thing_printed(run: Run) -> None:
    done = run("token", "robot")
    assert done.stdout.startswith("ty_")
    assert len(done.stdout.splitlines()) == 1
    assert run("token", "robot").returncode == 2


def test_a_reader_that_has_heard_enough_is_no_error(ledger: Ledger) -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "showmigrations"],
        env=os.environ | ledger.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
