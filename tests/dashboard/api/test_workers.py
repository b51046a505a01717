from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tasks.broker import keys
from tasks.models import Audit
from tasks.states import State
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.engine import client
from tests.factories import create_job, create_recovery, lose_job
from tests.listening import listening, register

pytestmark = pytest.mark.django_db

VERBS = ["quiet", "wake", "stop"]


def read(api: Api) -> dict[str, Any]:
    response = api.get("/workers")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def test_it_lists_who_works(api: Api) -> None:
    register("w1", **{"ty:running": 2, "ty:quiet": 1700000000, "state": "busy"})
    (worker,) = read(api)["workers"]
    assert (worker["name"], worker["host"], worker["pid"]) == ("w1", "vm-3", 42)
    assert (worker["queues"], worker["state"]) == (["default"], "busy")
    assert (worker["running"], worker["slots"]) == (2, 4)
    assert datetime.fromisoformat(worker["quiet_since"]).timestamp() == 1700000000


def test_it_lists_the_tasks_that_a_worker_holds_back(api: Api) -> None:
    facts = {"since": 1700000000, "failures": 23, "held": 7, "every": 4}
    register("w1", **{"ty:breakers": json.dumps({"mail": facts})})
    (breaker,) = read(api)["workers"][0]["breakers"]
    since = datetime.fromisoformat(breaker.pop("since")).timestamp()
    assert {**breaker, "since": since} == {"task": "mail", **facts}


def test_it_lists_who_is_lost_and_what_became_of_each_job(api: Api) -> None:
    register("w3", silent_for=60)
    create_recovery("w2", noticed_by="supervisor")
    job = create_job(state=State.FINISHED, worker="w1")
    lose_job(job)
    body = read(api)
    assert body["workers"] == []
    silent, lost = body["lost"]
    assert (silent["name"], silent["noticed_at"]) == ("w3", None)
    assert (lost["name"], lost["noticed_by"], lost["held"]) == ("w2", "supervisor", 1)
    assert lost["jobs"] == [
        {
            "id": job.id,
            "url": f"/api/v1/jobs/{job.id}",
            "task": job.task,
            "state": "finished",
            "worker": "w1",
        }
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_a_worker_is_told(api: Api, verb: str) -> None:
    register("a b/c")
    with listening("a b/c") as hear:
        response = api.post(f"/workers/a%20b/c/{verb}")
        assert response.status_code == 200
        assert response.json() == {"worker": "a b/c", "told": verb}
        assert hear()
    entry = Audit.objects.get()
    assert (entry.actor, entry.via, entry.verb) == ("robot", "api", f"worker.{verb}")


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_told_is_a_problem(api: Api, reader: Api, verb: str) -> None:
    register("w1", silent_for=99)
    path = f"/workers/w1/{verb}"
    assert_problem(api.post(path), 409, "worker-not-listening")
    body = assert_problem(api.post(f"/workers/w11/{verb}"), 404, "worker-not-found")
    assert body["detail"].endswith("Did you mean w1?")
    assert_problem(reader.post(path), 403, "permission-missing")
    assert not Audit.objects.exists()


def test_answers_are_as_documented(api: Api, reader: Api) -> None:
    register("w1")
    create_recovery()
    lose_job(create_job())
    gone = create_job()
    lose_job(gone)
    gone.delete()
    document = api.get("/openapi.json").json()
    assert_true_to(document, "/api/v1/workers", "get", api.get("/workers"))
    with listening("w1"):
        for verb in VERBS:
            path = f"/api/v1/workers/{{name}}/{verb}"
            for who, name in ((api, "w1"), (api, "w9"), (reader, "w1")):
                answer = who.post(f"/workers/{name}/{verb}")
                assert_true_to(document, path, "post", answer)
    client().srem(keys.WORKERS, keys.worker("w1"))
    assert read(api)["workers"] == []


@pytest.mark.parametrize("verb", ["quiet", "wake"])
def test_all_workers_are_told(api: Api, reader: Api, verb: str) -> None:
    path = f"/workers/{verb}"
    assert_problem(reader.post(path), 403, "permission-missing")
    with listening("w1") as hear:
        response = api.post(path)
        assert response.status_code == 200
        assert response.json() == {"told": verb, "workers": 1}
        assert hear()[1] == {"command": verb}
    document = api.get("/openapi.json").json()
    assert_true_to(document, f"/api/v1/workers/{verb}", "post", response)
