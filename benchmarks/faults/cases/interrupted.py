"""R26: the web process is killed with -9 while it answers; the client asks again."""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.faults import journal
from benchmarks.faults.catalog import Trial, scenario

#: Seconds that one answer may take, and requests that a client makes for one of its jobs.
ANSWER_WITHIN, MOST_TRIES = 30.0, 50

#: How the seconds within which a kill comes change when it came too late, or too early:
#: so that about half of them come before the answer.
SOONER, LATER = 0.9, 1.1

#: Chance that a repeated request is interrupted as well.
AGAIN = 0.3


class Web:
    """A web process on a port that outlives it: whoever connects meanwhile waits."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.faults.web_child"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._process: BaseProcess | None = None

    def start(self) -> None:
        self._process = self._context.Process(target=_serve, args=(self._listener,))
        self._process.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()  # SIGKILL
            self._process.join()
            journal.write(journal.KILLED, pid=self._process.pid or 0)

    def restart(self) -> None:
        """Kill it, and start another one as a supervisor does."""
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()
        self._listener.close()


def _serve(listener: socket.socket) -> None:
    # Imported there only: it sets Django up for the child.
    from benchmarks.faults import web_child

    web_child.serve(listener)


@dataclass
class Client:
    """Submits jobs over REST, each under a key, until it has an answer."""

    web: Web
    trial: Trial
    token: str
    #: Seconds within which a kill comes.
    reach: float = 0.05
    ends: Counter[str] = field(default_factory=Counter)

    def submit(self, key: str) -> None:
        """Have one job accepted, however often the web process is killed."""
        for tried in range(MOST_TRIES):
            killer = self._killer() if self._is_unlucky(tried) else None
            job = self._ask(key)
            if killer is not None:
                killer.join()
                self._note(key, job)
            if job is not None:
                journal.accept([job])
                return
        raise TimeoutError(f"no answer for {key} in {MOST_TRIES} tries")

    def _is_unlucky(self, tried: int) -> bool:
        return not tried or self.trial.dice.random() < AGAIN

    def _killer(self) -> threading.Timer:
        killer = threading.Timer(
            self.trial.dice.uniform(0, self.reach), self.web.restart
        )
        killer.start()
        return killer

    def _note(self, key: str, job: str | None) -> None:
        """Count at what moment the kill came."""
        self.reach *= LATER if job is None else SOONER
        if job is not None:
            self.ends["after the answer"] += 1
        elif _jobs_with(key):
            self.ends["between acceptance and answer"] += 1
        else:
            self.ends["before the acceptance"] += 1

    def _ask(self, key: str) -> str | None:
        """Return the id of the accepted job, None where no answer came."""
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=ANSWER_WITHIN)
        body = {"task": "benchmarks.faults.jobs.brief_async", "idempotency_key": key}
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", "/api/v1/jobs", json.dumps(body), headers)
            answer = connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read())
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        if answer.status not in (200, 202):
            raise AssertionError(f"{answer.status}: {said}")
        return str(said["id"])


def _jobs_with(key: str) -> int:
    from tasks.models import Job  # once Django is set up

    return Job.objects.filter(idempotency_key=key).count()


@scenario("R26", "kill -9 of the web process while it accepts a job", takes=600)
def interrupt_requests(trial: Trial) -> None:
    from tasks.models import ApiToken, Job

    times = trial.choose(5_000, 50)
    trial.yard.serve()
    trial.yard.worker()
    web = Web()
    try:
        web.start()
        client = Client(web, trial, ApiToken.issue("r26"))
        for number in range(times):
            client.submit(f"key-{number}")
    finally:
        web.close()
    trial.facts |= {f"kills: {what}": count for what, count in client.ends.items()}
    trial.facts["requests interrupted"] = client.ends.total()
    keys = Counter(Job.objects.values_list("idempotency_key", flat=True))
    trial.ask("jobs under one key, most", "≤", 1, max(keys.values()))
    trial.ask("keys without a job", "≤", 0, times - len(keys))
    unknown = journal.accepted() - set(Job.objects.values_list("id", flat=True))
    trial.ask("answers of 2xx without a job", "≤", 0, len(unknown))
