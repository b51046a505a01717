"""A web process of its own, asked as a browser and as a program."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.integration.test_up import free_port

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
        began = time.monotonic()
        status, _said = self.read(path, body)
        return status, time.monotonic() - began

    def read(self, path: str, body: object = None) -> tuple[int, str]:
        """Return the status of the answer, 0 without one, and its text."""
        headers = {
            "Cookie": f"sessionid={self.cookie}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""


def open_site(fleet: Fleet) -> Site:
    """Start the web on an empty ledger, with an administrator and a token."""
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    cookie, token = fleet.run("-c", ACCOUNT).split()
    port = free_port()
    web = ("-m", "uvicorn", "dashboard.asgi:application", "--port", str(port))
    fleet.start(*web, "--log-level", "error", "--lifespan", "off")
    made = Site(f"http://127.0.0.1:{port}", cookie, token)
    wait_until(lambda: made.ask("/healthz")[0] == 200, START)
    return made
