"""A Redis that takes connections and gives no answers: nobody waits for it for long."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.broker.client import SILENT_FOR
from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.integration.test_up import free_port
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

#: Seconds within which any answer must come.
LIMIT = 2.0

#: Makes an administrator, and prints the cookie and the token of one.
ACCOUNT = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from tasks.models import ApiToken
user = User.objects.create_superuser("ada", password="x")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key, ApiToken.issue("robot"))
"""


@dataclass
class Site:
    """A web process, asked as a browser and as a program."""

    url: str
    cookie: str
    token: str

    def ask(self, path: str, body: object = None) -> tuple[int, float]:
        """Return the status of the answer, and the seconds that it took."""
        headers = {
            "Cookie": f"sessionid={self.cookie}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except OSError:
            status = 0
        return status, time.monotonic() - began


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(folder)
    made.start()
    yield made
    os.kill(pid_of(made), signal.SIGCONT)
    made.stop()


def pid_of(server: EmbeddedServer) -> int:
    assert server.process is not None
    return server.process.pid


@pytest.fixture
def site(
    make_fleet: Callable[..., Fleet], ledger: Ledger, server: EmbeddedServer
) -> Site:
    fleet = make_fleet(REDIS_URL=server.url, SECRET_KEY="x" * 40, **ledger.environment)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    cookie, token = fleet.run("-c", ACCOUNT).split()
    port = free_port()
    web = ("-m", "uvicorn", "dashboard.asgi:application", "--port", str(port))
    fleet.start(*web, "--log-level", "error", "--lifespan", "off")
    made = Site(f"http://127.0.0.1:{port}", cookie, token)
    wait_until(lambda: made.ask("/healthz")[0] == 200, START)
    return made


def ask_anew(site: Site, path: str, body: object) -> tuple[int, float]:
    """Ask when nobody has found Redis silent lately, so that this one has to wait."""
    forgotten_at = time.monotonic() + SILENT_FOR
    wait_until(lambda: time.monotonic() > forgotten_at)
    return site.ask(path, body)


def test_the_web_answers_within_two_seconds_and_says_what_it_cannot(
    site: Site, server: EmbeddedServer
) -> None:
    job = {"task": "tests.sample.add", "args": {"a": 1}}
    assert site.ask("/api/v1/jobs", {**job, "id": "before"})[0] == 202
    assert site.ask("/")[0] == 200
    os.kill(pid_of(server), signal.SIGSTOP)
    answers = [
        (path, wanted, *ask_anew(site, path, body))
        for path, body, wanted in [
            ("/api/v1/jobs", {**job, "id": "meanwhile"}, 202),
            ("/api/v1/jobs/before/cancel", {}, 503),
            ("/api/v1/queues", None, 503),
            ("/healthz", None, 503),
            ("/", None, 503),
            ("/jobs/before/", None, 503),
            ("/doctor/", None, 503),
            ("/api/v1/jobs/before", None, 200),
        ]
    ]
    late = [answer for answer in answers if answer[3] > LIMIT]
    wrong = [answer for answer in answers if answer[1] != answer[2]]
    assert (late, wrong) == ([], [])
    os.kill(pid_of(server), signal.SIGCONT)
    wait_until(lambda: site.ask("/healthz")[0] == 200)
