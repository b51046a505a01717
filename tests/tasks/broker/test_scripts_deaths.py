"""Jobs that their workers died of: counted, run alone, quarantined."""

from __future__ import annotations

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.attempts import Claimed
from tasks.broker.entries import registration
from tasks.broker.scripts import invoke
from tasks.conf import get_config
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    kinds,
    push_job,
    settle,
    status,
    take_back,
    waiting,
)

HOURS = 3600


def die(**options: int) -> Claimed:
    """Have the next job's worker die."""
    job = claim(**options)
    end_leases()
    take_back()
    return job


def deaths(job_id: str = "a") -> list[int]:
    told = client().hget(keys.job(job_id), "ty:deaths") or b""
    return [int(second) for second in told.split(b",") if second]


def set_deaths(*hours_ago: float) -> None:
    now = client().time()[0]
    told = ",".join(str(now - int(ago * HOURS)) for ago in hours_ago)
    client().hset(keys.job("a"), "ty:deaths", told)


@pytest.fixture(autouse=True)
def _one_job() -> None:
    push_job("a")


def test_each_death_is_noted_in_whole_seconds_of_redis() -> None:
    die()
    die()
    now = client().time()[0]
    assert len(deaths()) == 2
    assert all(0 <= now - second <= 5 for second in deaths())


def test_the_third_death_quarantines() -> None:
    for _number in range(3):
        die()
    assert (status("a"), waiting()) == ("failed", [])
    assert client().zscore(keys.failed("default"), "a")
    assert (events()[-1]["kind"], events()[-1]["state"]) == ("lost", "quarantined")
    assert events()[-1]["message"].endswith("death 3 within 72 hours")


def test_deaths_of_more_than_three_days_ago_do_not_count() -> None:
    set_deaths(73, 74, 75)
    assert not claim(most_lost=1).runs_solo
    end_leases()
    take_back()
    assert waiting() == ["a"]
    assert len(deaths()) == 1


def test_a_handback_is_no_death() -> None:
    settle(claim(), "handback")
    assert deaths() == []


@pytest.mark.parametrize("verb", ["handback", "finish", "fail"])
def test_a_worker_that_speaks_up_did_not_die(verb: str) -> None:
    """It was frozen, or cut off from Redis and gave the job up by itself."""
    die()
    late = die()
    assert settle(late, verb) == "superseded"
    assert len(deaths()) == 1
    assert settle(late, verb) == "superseded"
    assert len(deaths()) == 1


def test_an_end_that_was_sent_twice_is_no_word_of_the_dead() -> None:
    die()
    job = claim()
    settle(job, "handback")
    assert settle(job, "handback") == "superseded"
    assert len(deaths()) == 1


def test_a_worker_that_beats_did_not_die() -> None:
    claim(worker="w1")
    client().hset(keys.worker("w1"), "ty:seen", client().time()[0])
    end_leases()
    assert take_back() == ["a"]
    assert (kinds("a")[-1], deaths()) == ("lost", [])


def test_nothing_is_counted_where_quarantine_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(get_config(), "taskyard_quarantine", False)
    for _number in range(5):
        die()
    assert (waiting(), deaths()) == (["a"], [])


def test_after_two_deaths_a_job_runs_alone() -> None:
    die(most_lost=1)
    assert not claim(most_lost=1).runs_solo
    end_leases()
    take_back()
    assert claim(most_lost=1).runs_solo


def test_a_suspect_takes_a_slot_for_sync_jobs() -> None:
    push_job("b", kind="async", at_front=True)
    for _number in range(2):
        die()
    assert waiting() == ["b", "a"]
    answer = claim_all(sync=0, most_lost=1)
    assert (answer.jobs, answer.held) == ([], {"default": "sync"})
    assert [job.runs_solo for job in claim_all(sync=1, most_lost=1).jobs] == [True]


def test_a_suspect_alone_is_quarantined_by_its_third_death() -> None:
    for _number in range(2):
        die()
    job = claim(most_lost=1)
    facts = {"error": "ProcessDied", "message": "signal 9"}
    assert settle(job, "quarantine", facts=facts, traceback="gone") == "quarantined"
    assert (status("a"), len(deaths()), waiting()) == ("failed", 3, [])
    assert client().zscore(keys.failed("default"), "a")
    event = events()[-1]
    assert (event["kind"], event["state"]) == ("quarantined", "quarantined")
    assert client().xlen(keys.results("a")) == 1


def test_a_suspect_alone_outlives_workers_that_others_kill() -> None:
    """Two deaths more are granted to what its keeper guards the worker against."""
    for _number in range(2):
        die()
    for _number in range(2):
        die(most_lost=1)
        assert waiting() == ["a"]
    die(most_lost=1)
    assert events()[-1]["state"] == "quarantined"


def test_a_retry_by_an_operator_clears_the_deaths() -> None:
    for _number in range(3):
        die()
    assert broker_jobs.retry("a", "mara") == (True, "queued")
    assert deaths() == []
    assert not claim(most_lost=1).runs_solo


def lose_all(*job_ids: str) -> None:
    for job_id in job_ids:
        push_job(job_id)
    claim_all()
    end_leases()
    take_back()


def test_lost_jobs_are_taken_few_at_a_time() -> None:
    lose_all("b", "c")
    push_job("new")
    taken = [[job.id for job in claim_all(most_lost=2).jobs] for _claim in range(2)]
    assert sorted(taken[0] + taken[1]) == ["a", "b", "c", "new"]
    assert (len(taken[0]), taken[1][-1]) == (2, "new")


def test_too_many_lost_jobs_hold_up_no_other_queue() -> None:
    lose_all("b")
    push_job("other", queue="mail")
    found = {job.id for job in claim_all("default", "mail", most_lost=1).jobs}
    assert len(found & {"a", "b"}) == 1
    assert "other" in found


def test_a_worker_without_solo_runs_takes_them_as_they_come() -> None:
    lose_all("b")
    assert len(claim_all().jobs) == 2


def register(birth: str, worker: str = "w1") -> None:
    """Write a worker's entry as one does that came up then."""
    facts = {"birth": birth, "version": "taskyard 0"}
    invoke(client(), "register", (keys.worker(worker),), registration(facts))


def test_deaths_count_where_the_next_worker_has_the_name_of_the_dead_one() -> None:
    """As under a service manager, which starts it again at once with its `--name`."""
    register("1st")
    for birth in ("2nd", "3rd", "4th"):
        claim()
        register(birth)
        end_leases()
        take_back()
    assert kinds("a").count("lost") == 3
    assert events()[-1].state == "quarantined"


def test_a_worker_that_beats_on_did_not_die_of_a_job() -> None:
    register("1st")
    for _beat in range(3):
        claim()
        register("1st")
        end_leases()
        take_back()
    assert (status("a"), deaths()) == ("queued", [])
