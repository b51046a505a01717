"""Somebody who looks at the pages and speaks to the REST API of a real web process."""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode, urlsplit

from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until

#: Seconds that an answer may take before it counts as none.
PATIENCE = 60

_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    #: From the request to the last byte.
    seconds: float


@dataclass
class Visitor:
    """An administrator with a session and a token."""

    address: str
    token: str
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def admit(cls, yard: Yard) -> Self:
        """Start a web process, wait until it answers, and sign somebody in."""
        from django.conf import settings
        from django.contrib.auth.models import User
        from django.test import Client

        from tasks.models import ApiToken

        _program, address = yard.web()
        client = Client()
        client.force_login(User.objects.create_superuser("visitor"))
        name = settings.SESSION_COOKIE_NAME
        made = cls(address, ApiToken.issue("visitor"))
        made.cookies[name] = client.cookies[name].value
        wait_until(made.is_answered, "the web process", PATIENCE)
        return made

    def is_answered(self) -> bool:
        try:
            return self.get("/healthz").status == http.client.OK
        except OSError:
            return False

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, "", {})

    def post_form(self, page: str, path: str, **fields: str) -> Answer:
        """Send the form that `page` shows to `path`."""
        found = _CSRF.search(self.get(page).text)
        token = {"csrfmiddlewaretoken": found[1]} if found else {}
        kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "Referer": self.address + page}
        return self._ask("POST", path, urlencode({**fields, **token}), headers)

    def post(self, path: str, body: object) -> Answer:
        """Speak to the REST API."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
        }
        return self._ask("POST", f"/api/v1{path}", json.dumps(body), headers)

    def _ask(
        self, method: str, path: str, body: str, headers: dict[str, str]
    ) -> Answer:
        began = time.perf_counter()
        place = urlsplit(self.address).netloc
        connection = http.client.HTTPConnection(place, timeout=PATIENCE)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {"Cookie": cookie, **headers})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        for header in response.headers.get_all("Set-Cookie", ()):
            name, _sep, rest = header.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return Answer(response.status, text, time.perf_counter() - began)
