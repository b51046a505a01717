from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.broker.attempts import Settlement
from tasks.errors import TaskFailed
from tasks.outbound import address
from tasks.worker import webhooks
from tasks.worker.webhooks import Messenger, Webhook, deliver, payload_of
from tests.conftest import wait_until
from tests.hooks import Site, serve_hooks
from tests.tasks.builtin.conftest import Configure
from tests.tasks.worker.claimed import claimed_job as job

PAYLOAD = {"job_id": "a", "status": "finished"}


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_hooks() as site:
        yield site


@pytest.fixture
def private(configure: Configure) -> None:
    configure(TASKYARD_PRIVATE_URLS="1")


@pytest.fixture
def messenger() -> Iterator[Messenger]:
    messenger = Messenger()
    yield messenger
    messenger.close()


def ended(verb: str = "finish", *hooks: dict[str, Any]) -> Settlement:
    fields = {"webhooks": json.dumps(hooks), "enqueued_at": "2026-01-02T03:04:05.6Z"}
    return Settlement(job(**fields), verb, 0.0, traceback="ValueError: no")


def test_the_payload_is_rq_s() -> None:
    at = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    assert payload_of(ended(), "finished", at) == {
        "job_id": "a",
        "func_name": "tests.sample.add",
        "status": "finished",
        "enqueued_at": "2026-01-02T03:04:05.600000+00:00",
        "ended_at": "2026-01-02T03:05:00+00:00",
    }
    assert payload_of(ended(), "failed", at)["exc_info"] == "ValueError: no"


@pytest.mark.parametrize(
    ("verb", "state", "path"),
    [
        ("finish", "finished", "/finished"),
        ("fail", "failed", "/failed"),
        ("exceeded", "failed", "/failed"),
        ("finish", "superseded", None),
        ("fail", "queued", None),
        ("fail", "scheduled", None),
        ("again", "queued", None),
        ("stop", "stopped", None),
        ("handback", "queued", None),
    ],
)
@pytest.mark.usefixtures("private")
def test_which_ends_are_told(
    site: Site, messenger: Messenger, verb: str, state: str, path: str | None
) -> None:
    hooks = [
        {"url": f"{site.url}/{end}", "job_status": end}
        for end in ("finished", "failed")
    ]
    messenger.tell(ended(verb, *hooks), state)
    messenger.close()
    assert site.paths == ([path] if path else [])


def test_a_private_address_is_refused(site: Site) -> None:
    with pytest.raises(TaskFailed, match=r"private address 127\.0\.0\.1"):
        asyncio.run(deliver(Webhook(site.url, "finished"), PAYLOAD))
    assert site.seen == []


def test_a_redirect_to_a_private_address_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "is_public", lambda ip: ip == "127.0.0.1")
    webhook = Webhook(f"{site.url}/to/302?http://127.0.0.2:1/", "finished")
    with pytest.raises(TaskFailed, match=r"private address 127\.0\.0\.2"):
        asyncio.run(deliver(webhook, PAYLOAD))


@pytest.mark.usefixtures("private")
def test_a_header_is_not_for_another_server(site: Site) -> None:
    with serve_hooks() as other:
        there = f"{site.url}/to/302?{other.url}/"
        webhook = Webhook(there, "finished", headers={"X-Token": "geheim"})
        asyncio.run(deliver(webhook, PAYLOAD))
        assert "x-token" in site.seen[0].headers
        assert "x-token" not in other.seen[0].headers


@pytest.mark.usefixtures("private")
def test_redirects_end(site: Site) -> None:
    path = "/"
    for _redirect in range(webhooks.MAX_REDIRECTS + 1):
        path = f"/to/302?{path}"
    webhook = Webhook(f"{site.url}{path}", "finished")
    with pytest.raises(TaskFailed, match="answered 302 Found"):
        asyncio.run(deliver(webhook, PAYLOAD))
    assert len(site.seen) == webhooks.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ({"url": "http://127.0.0.1:1/"}, "cannot be reached"),
        ({"url": "file:///etc/passwd"}, "no address"),
        ({"url": "SITE/broken"}, "answered 500"),
        ({"url": "SITE/silent", "timeout": 0.1}, "TimeoutError"),
        ({"url": "SITE/", "headers": {"a\r\nb": "c"}}, "does not answer"),
        ({"url": "SITE/", "headers": {"a": 1}}, ""),
    ],
)
@pytest.mark.usefixtures("private")
def test_what_cannot_be_sent_is_logged_in_time(
    site: Site,
    messenger: Messenger,
    caplog: pytest.LogCaptureFixture,
    hook: dict[str, Any],
    words: str,
) -> None:
    hook = {**hook, "url": hook["url"].replace("SITE", site.url)}
    messenger.tell(ended("finish", {"job_status": "finished", **hook}), "finished")
    wait_until(lambda: caplog.records)
    assert "a webhook of job a could not be sent" in caplog.text
    assert words in caplog.text


@pytest.mark.parametrize("text", ["{", "1", '["x"]', '[{"url": "http://a"}]'])
def test_webhooks_that_cannot_be_read_are_logged(
    messenger: Messenger, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    messenger.tell(Settlement(job(webhooks=text), "finish", 0.0), "finished")
    assert "the webhooks of job a cannot be read" in caplog.text


@pytest.mark.usefixtures("private")
def test_too_many_are_dropped(
    site: Site,
    messenger: Messenger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(webhooks, "MOST_PENDING", 1)
    hook = {"url": f"{site.url}/silent", "job_status": "finished", "timeout": 1}
    messenger.tell(ended("finish", hook, hook), "finished")
    assert "a webhook of job a was dropped" in caplog.text


@pytest.mark.usefixtures("private")
def test_the_end_of_the_worker_waits_only_so_long(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    messenger = Messenger()
    hook = {"url": f"{site.url}/silent", "job_status": "finished"}
    messenger.tell(ended("finish", hook), "finished")
    messenger.close(0.05)
    assert "1 webhooks were not sent in time" in caplog.text
