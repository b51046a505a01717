from __future__ import annotations

import pickle
import zlib
from pathlib import Path

import pytest

from tasks.broker.wire import PayloadPickled, PayloadUnreadable
from tasks.conf import get_config
from tasks.errors import FunctionNotRegistered, TaskFailed
from tasks.worker import calls
from tasks.worker.calls import (
    TRACEBACK_LIMIT,
    call_pickled,
    cut,
    failed,
    plan,
    succeeded,
)
from tests import sample
from tests.tasks.builtin.conftest import Configure
from tests.tasks.worker.claimed import claimed_job as job


def test_a_registered_task_is_planned_with_its_policy() -> None:
    planned = plan(job(timeout=7))
    assert planned.task is sample.add.task
    assert (planned.timeout, planned.is_async) == (7, False)
    assert plan(job(timeout=-1)).timeout is None


def test_a_task_that_moved_is_found_by_its_name() -> None:
    assert plan(job("old.place.greet", task="greet")).task is sample.greet.task


def test_a_plain_function_of_an_admitted_module_is_planned() -> None:
    planned = plan(job("tests.plain.multiply"))
    assert planned.function(3, 4) == 12
    assert planned.task is None


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a module that leaves a file behind when anyone imports it."""
    sprung = tmp_path / "sprung"
    code = f"open({str(sprung)!r}, 'w').close()\ndef go(): pass\n"
    (tmp_path / "trap.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return sprung


def test_what_nobody_registered_is_never_imported(trap: Path) -> None:
    with pytest.raises(FunctionNotRegistered) as caught:
        plan(job("trap.go"))
    assert not trap.exists()
    assert str(caught.value).startswith("function trap.go is not registered")
    assert "TASKYARD_RQ_MODULES" in str(caught.value)


def test_the_trap_springs_where_the_module_is_admitted(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admits = get_config().model_copy(update={"taskyard_rq_modules": ("trap",)})
    monkeypatch.setattr(calls, "get_config", lambda: admits)
    plan(job("trap.go"))
    assert trap.exists()


@pytest.mark.parametrize(
    "path", ["", "go", "os.system", "builtins.eval", "tests.plain.no"]
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(FunctionNotRegistered):
        plan(job(path))


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickled", b"garbage"])
def test_data_that_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        plan(job(data=data))


# Pickle.


class Counter:
    """An object with a method that a job may call."""

    def plus(self, number: int) -> int:
        return 40 + number


def pickled(*call: object) -> bytes:
    return pickle.dumps(call)


def sprung_by(trap: Path) -> object:
    """Return an object that imports the trap's module when it is unpickled."""

    class Spring:
        def __reduce__(self) -> tuple[object, ...]:
            return __import__, ("trap",)

    return Spring()


def test_a_pickled_job_is_refused_where_no_setting_admits_it() -> None:
    call = pickled("tests.sample.add", None, (1,), {})
    with pytest.raises(PayloadPickled, match="which this queue does not read"):
        plan(job(data=zlib.compress(call)))


def test_a_pickled_job_is_planned_without_being_loaded(
    trap: Path, configure: Configure
) -> None:
    configure(TASKYARD_PICKLE_QUEUES="old, older")
    call = pickled("tests.sample.add", None, (sprung_by(trap),), {})
    planned = plan(job(queue="older", data=zlib.compress(call), timeout=7))
    assert (planned.path, planned.is_async) == ("tests.sample.add", False)
    assert (planned.task, planned.timeout) == (sample.add.task, 7)
    assert planned.pickled == call
    assert not trap.exists()


def test_a_child_calls_what_is_registered_or_admitted() -> None:
    assert call_pickled(pickled("tests.sample.add", None, ("1",), {"b": "2"})) == 3
    assert call_pickled(pickled("tests.plain.multiply", None, (2, 3), {})) == 6


def test_a_child_calls_a_method_where_its_class_is_admitted(
    configure: Configure,
) -> None:
    call = pickled("plus", Counter(), (2,), {})
    with pytest.raises(FunctionNotRegistered, match=r"Counter\.plus"):
        call_pickled(call)
    configure(TASKYARD_RQ_MODULES=__name__)
    assert call_pickled(call) == 42


@pytest.mark.parametrize("path", ["os.getpid", "getpid"])
def test_a_child_refuses_other_functions(path: str) -> None:
    with pytest.raises(FunctionNotRegistered):
        call_pickled(pickled(path, None, (), {}))


def test_a_pickled_result_is_shown_where_json_can_hold_it() -> None:
    plain = succeeded({"a": 1}, pickled=True)
    odd = succeeded(Counter(), pickled=True)
    assert (plain.verb, plain.result) == ("finish", '{"a": 1}')
    assert (odd.verb, odd.result) == ("finish", "")
    assert plain.packed
    assert odd.packed


def test_a_result_that_cannot_be_pickled_is_a_failure() -> None:
    outcome = succeeded(lambda: None, pickled=True)
    assert (outcome.verb, outcome.error) == ("fail", "ResultUnusable")


# Ends.


def test_an_error_says_its_name_its_sentence_and_where() -> None:
    def inner() -> None:
        raise TaskFailed("the file is empty")

    with pytest.raises(TaskFailed) as caught:
        inner()
    outcome = failed(caught.value)
    assert (outcome.error, outcome.message) == ("TaskFailed", "the file is empty")
    assert 'raise TaskFailed("the file is empty")' in outcome.traceback


def test_a_long_traceback_is_cut_in_the_middle_and_says_so() -> None:
    outcome = failed(ValueError("first " + "x" * 100_000 + " last"))
    assert len(outcome.traceback) < TRACEBACK_LIMIT + 100
    assert "characters left out" in outcome.traceback
    assert outcome.traceback.endswith(" last\n")
    assert "characters left out" in outcome.message


def test_what_fits_is_not_cut() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("a" * 6 + "b" * 6, 10) == "aaaaa\n… 2 characters left out …\nbbbbb"


def test_a_result_that_cannot_be_kept_is_a_failure() -> None:
    outcome = succeeded(object())
    assert (outcome.verb, outcome.error) == ("fail", "ResultUnusable")
    assert outcome.message.startswith("The return value cannot be written as JSON")


def test_an_error_that_cannot_even_be_shown_is_a_failure_all_the_same() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    outcome = failed(Rude())
    assert (outcome.verb, outcome.error) == ("fail", "Rude")
