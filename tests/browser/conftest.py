from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tasks.conf import PROJECT_ROOT
from tests.conftest import wait_until

#: How Chromium reports a form that was refused with its problems; it is no error.
REFUSED_FORM = "422 (Unprocessable Entity)"

expect.set_options(timeout=20_000)

LINK = re.compile(r"http://\S+/sign-in/\S+")
PASSWORD = re.compile(r"as admin with the password (\S+)")


@dataclass(frozen=True)
class Site:
    """A running Taskyard, started the way a user starts it."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path

    def sign_in_link(self) -> str | None:
        found = LINK.search(self.log.read_text())
        return found.group() if found else None

    def password(self) -> str:
        """Return the password of the user "admin"."""
        return PASSWORD.findall(self.log.read_text())[0]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run `manage.py up` on a fresh data folder until the tests have ended."""
    folder = tmp_path_factory.mktemp("site")
    port = _free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("REDIS_URL", "DATABASE_URL", "TASKYARD_DATA")
    }
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "manage.py",
                "up",
                "--workers",
                "1",
                "--port",
                str(port),
                "--data",
                str(folder / "data"),
            ],
            cwd=PROJECT_ROOT,
            env=environment | {"TASKYARD_TASKS": "tests.sample"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    site = Site(f"http://127.0.0.1:{port}", process, log, folder)
    try:
        wait_until(site.sign_in_link, timeout=60)
        yield site
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any],
) -> dict[str, Any]:
    return browser_type_launch_args | {
        "executable_path": "/usr/bin/chromium",
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ],
    }


@pytest.fixture(scope="session")
def session_cookies(browser: Any, site: Site) -> list[Any]:
    """Sign in once by the link that `up` printed, which works once."""
    link = site.sign_in_link()
    assert link
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    cookies: list[Any] = context.cookies()
    context.close()
    return cookies


@pytest.fixture
def page(
    context: BrowserContext, site: Site, session_cookies: list[Any]
) -> Iterator[Page]:
    """A signed-in page; the test fails when the browser reports an error."""
    context.add_cookies(session_cookies)
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and REFUSED_FORM not in message.text
            else None
        ),
    )
    page.goto(site.url)
    yield page
    assert problems == []
