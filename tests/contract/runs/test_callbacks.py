"""What a client has called, or asked, when a job ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from rq import Callback, Repeat, Retry
from rq.job import Job, JobStatus
from rq.webhook import Webhook

from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.running import Runner, registries_of, told
from tests.hooks import Site, serve_hooks

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings(
        "ignore:Passing a string or function:DeprecationWarning"
    ),
]

FUNCTIONS = "tests.contract.functions"


# Callbacks.


@pytest.mark.parametrize("function", [functions.multiply, functions.multiply_async])
@pytest.mark.parametrize(
    "on_success",
    [Callback(functions.tell), Callback(f"{FUNCTIONS}.tell"), functions.tell],
    ids=["callback", "path", "plain"],
)
def test_on_success(runner: Runner, function: Any, on_success: Any) -> None:
    options = {"on_success": on_success, "on_failure": Callback(functions.tell_failure)}
    job = runner.run(function, 6, 7, **options)
    assert job.is_finished
    assert told(job) == ["success 42"]


@pytest.mark.parametrize("function", [functions.fail, functions.fail_async])
def test_on_failure(either: Runner, function: Any) -> None:
    options = {
        "on_success": Callback(functions.tell),
        "on_failure": Callback(functions.tell_failure),
    }
    job = either.run(function, **options)
    assert job.is_failed
    assert told(job) == ["failure ValueError no luck"]


def test_on_failure_of_what_cannot_be_found(runner: Runner) -> None:
    on_failure = Callback(functions.tell_failure)
    job = runner.run(f"{FUNCTIONS}.missing", on_failure=on_failure)
    assert job.is_failed
    (said,) = told(job)
    assert said.startswith("failure ")


@pytest.mark.parametrize(
    ("function", "state"),
    [
        (functions.nothing, "finished"),
        (functions.sleep_async, "finished"),
        (functions.fail, "failed"),
        (functions.fail_async, "failed"),
    ],
)
def test_a_callback_finds_the_job_ended(
    runner: Runner, function: Any, state: str
) -> None:
    args = [0] if function is functions.sleep_async else []
    callback = Callback(functions.tell_job)
    job = runner.run(function, *args, on_success=callback, on_failure=callback)
    assert told(job) == [f"('{state}', True)"]


def test_on_failure_of_each_try(runner: Runner) -> None:
    job = runner.enqueue(
        functions.fail_times,
        9,
        retry=Retry(max=1),
        on_failure=Callback(functions.tell_failure),
    )
    runner.wait(job, JobStatus.FAILED)
    assert told(job) == ["failure ValueError run 1", "failure ValueError run 2"]


def test_on_failure_after_the_timeout(runner: Runner) -> None:
    on_failure = Callback(functions.tell_failure)
    job = runner.run(functions.sleep, 30, job_timeout=1, on_failure=on_failure)
    (said,) = told(job)
    assert said.startswith("failure Job")  # RQ's JobTimeoutException, our JobTimedOut


@pytest.mark.parametrize("function", [functions.die, functions.leave])
def test_on_failure_of_a_process_that_died(either: Runner, function: Any) -> None:
    job = either.run(function, on_failure=Callback(functions.tell_failure))
    assert job.is_failed
    if not either.is_ours:
        return  # a stock worker runs no callback then
    (said,) = told(job)
    assert said.startswith("failure ProcessDied the child process")


@pytest.mark.parametrize("function", [functions.multiply, functions.multiply_async])
def test_a_success_callback_that_raises_fails_the_job(
    runner: Runner, function: Any
) -> None:
    options = {
        "on_success": Callback(functions.refuse),
        "on_failure": Callback(functions.tell_failure),
    }
    job = runner.run(function, 6, 7, **options)
    assert job.is_failed
    assert "the callback broke" in job.latest_result().exc_string  # type: ignore[union-attr,operator]
    assert told(job) == ["failure RuntimeError the callback broke"]


@pytest.mark.parametrize("function", [functions.fail, functions.fail_async])
def test_a_failure_callback_that_raises(runner: Runner, function: Any) -> None:
    job = runner.run(function, on_failure=Callback(functions.refuse))
    assert job.is_failed
    assert "no luck" in job.latest_result().exc_string  # type: ignore[union-attr,operator]
    assert runner.run(functions.multiply, 2).return_value() == 2


@pytest.mark.parametrize("function", [functions.multiply, functions.multiply_async])
def test_a_success_callback_has_its_own_timeout(runner: Runner, function: Any) -> None:
    on_success = Callback(functions.dawdle, timeout=1)
    job = runner.run(function, 2, on_success=on_success)
    assert job.is_failed
    assert told(job) == ["began"]


@pytest.mark.parametrize("function", [functions.fail, functions.fail_async])
def test_a_failure_callback_has_its_own_timeout(runner: Runner, function: Any) -> None:
    job = runner.run(function, on_failure=Callback(functions.dawdle, timeout=1))
    assert job.is_failed
    assert told(job) == ["began"]


def test_a_callback_writes_the_job_s_meta(either: Runner) -> None:
    on_success = Callback(functions.tell_meta)
    job = either.run(functions.multiply, 2, meta={"a": 1}, on_success=on_success)
    assert job.is_finished, job.latest_result()
    assert job.meta == {"a": 1, "seen": 2}


# Stops.


def _stop(runner: Runner, function: Any, **options: Any) -> Job:
    return runner.stop(runner.enqueue(function, 60, **options))


@pytest.mark.parametrize("function", [functions.sleep, functions.sleep_async])
def test_on_stopped(either: Runner, function: Any) -> None:
    job = _stop(
        either,
        function,
        on_stopped=Callback(functions.tell_stop),
        on_failure=Callback(functions.tell_failure),
        retry=Retry(max=2),
        meta={"owner": "Ann"},
    )
    assert told(job) == ["stop Ann"]
    assert registries_of(job, either.queue) == {"failed"}
    wait_until(job.latest_result)
    text = "Job stopped by user, work-horse terminated."
    assert job.latest_result().exc_string == text  # type: ignore[union-attr]


# Webhooks.


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_hooks() as site:
        yield site


def _hooks(url: str, **options: Any) -> list[Webhook]:
    return [
        Webhook(f"{url}/finished", "finished", **options),
        Webhook(f"{url}/failed", "failed", **options),
    ]


@pytest.mark.parametrize("function", [functions.multiply, functions.multiply_async])
def test_a_webhook_when_a_job_has_finished(
    either: Runner, site: Site, function: Any
) -> None:
    hooks = _hooks(site.url, method="POST", headers={"X-Own": "yes"})
    job = either.run(function, 2, webhooks=hooks)
    (asked,) = wait_until(lambda: site.seen)
    assert (asked.path, asked.method) == ("/finished", "POST")
    assert asked.headers["x-own"] == "yes"
    assert asked.headers["content-type"] == "application/json"
    told = asked.payload
    assert datetime.fromisoformat(told.pop("ended_at")).tzinfo is not None
    assert told == {
        "job_id": job.id,
        "func_name": f"{FUNCTIONS}.{function.__name__}",
        "status": "finished",
        "enqueued_at": job.enqueued_at.isoformat(),  # type: ignore[union-attr]
    }


def test_a_webhook_when_a_job_has_failed(runner: Runner, site: Site) -> None:
    hooks = _hooks(site.url, method="POST")
    job = runner.run(functions.fail, "no luck", webhooks=hooks)
    (asked,) = wait_until(lambda: site.seen)
    told = asked.payload
    assert asked.path == "/failed"
    assert (told["job_id"], told["status"]) == (job.id, "failed")
    assert "ValueError: no luck" in told["exc_info"]


def test_a_webhook_when_a_returned_retry_was_the_last(
    runner: Runner, site: Site
) -> None:
    hooks = _hooks(site.url, method="POST")
    job = runner.enqueue(functions.ask_again, 9, 1, webhooks=hooks)
    runner.wait(job, JobStatus.FAILED)
    (asked,) = wait_until(lambda: site.seen)
    assert (asked.path, asked.payload["exc_info"]) == ("/failed", "")


def test_a_webhook_for_each_repeat(runner: Runner, site: Site) -> None:
    runner.enqueue(
        functions.count_runs, repeat=Repeat(times=1), webhooks=_hooks(site.url)
    )
    wait_until(lambda: len(site.seen) == 2)
    assert site.paths == ["/finished", "/finished"]


def test_a_webhook_is_a_plain_get_unless_told_otherwise(
    runner: Runner, site: Site
) -> None:
    runner.run(functions.multiply, 2, webhooks=_hooks(site.url))
    (asked,) = wait_until(lambda: site.seen)
    assert (asked.method, asked.body) == ("GET", b"")


def test_a_webhook_follows_a_redirect(runner: Runner, site: Site) -> None:
    here = Webhook(f"{site.url}/to/302?/there", "finished", method="POST")
    runner.run(functions.multiply, 2, webhooks=[here])
    wait_until(lambda: len(site.seen) == 2)
    assert (site.seen[1].method, site.seen[1].path) == ("GET", "/there")


def test_no_webhook_for_a_try_that_is_followed_by_another(
    runner: Runner, site: Site
) -> None:
    hooks = _hooks(site.url)
    job = runner.enqueue(functions.fail_times, 1, retry=Retry(max=1), webhooks=hooks)
    runner.wait(job, JobStatus.FINISHED)
    wait_until(lambda: site.seen)
    assert site.paths == ["/finished"]


def test_no_webhook_for_a_stop(runner: Runner, site: Site) -> None:
    _stop(runner, functions.sleep, webhooks=_hooks(site.url))
    runner.run(functions.multiply, 2, webhooks=_hooks(site.url))
    wait_until(lambda: site.seen)
    assert site.paths == ["/finished"]


def test_a_webhook_that_fails_changes_nothing(runner: Runner, site: Site) -> None:
    nobody = Webhook("http://127.0.0.1:1/", "finished")
    hooks = [nobody, *_hooks(f"{site.url}/broken")]
    assert runner.run(functions.multiply, 2, webhooks=hooks).is_finished
    wait_until(lambda: site.seen)
    assert runner.run(functions.multiply, 2).is_finished
