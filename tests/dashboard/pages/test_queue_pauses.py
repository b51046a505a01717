from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from tasks import pauses
from tasks.broker.snapshot import Snapshot
from tasks.errors import BrokerUnavailable
from tasks.models import Pause
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job, create_pause
from tests.snapshots import make_queue, make_snapshot

pytestmark = pytest.mark.django_db(transaction=True)

Show = Callable[[Snapshot], None]
LIVE = {"HX-Request": "true", "HX-Target": "div#live"}
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _queues(show_snapshot: Show) -> None:
    show_snapshot(make_snapshot(queues=[make_queue(waiting=3, waits_for=900)]))


def look(client: Client, url: str = "/queues/") -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


def find(soup: Node, tag: str, **wanted: str) -> Node:
    found = soup.find(tag, **wanted)
    assert found, wanted
    return found


def note(soup: Soup, queue: str = "default") -> str:
    return " ".join(find(soup, "tr", id=f"pause-of-{queue}").text.split())


def said(client: Client, url: str, **data: str) -> str:
    """Send a form and return the message on the page that follows."""
    response = client.post(url, data, follow=True)
    assert response.status_code == 200
    return find(Soup(response.content), "p", role="status").text


def test_pause_leads_to_a_form_that_stands_outside_the_live_region(
    operator: Client,
) -> None:
    row = find(look(operator), "tr", id="queue-default")
    link = find(row, "a", **{"class": "btn"})
    assert link.text == "Pause default"
    soup = look(operator, link.attrs["href"])
    form = find(soup, "form", id="pause")
    assert form.attrs["action"] == "/queues/default/pause/"
    assert find(form, "input", name="csrfmiddlewaretoken")
    live = find(soup, "div", id="live")
    assert live.find("form") is None
    assert live.find("input") is None


@pytest.mark.parametrize(
    ("pressed", "lasts"), [("", None), ("15m", 15 * 60), ("1h", 3600), ("x", None)]
)
def test_the_button_says_how_long(
    operator: Client, pressed: str, lasts: int | None
) -> None:
    data = {"reason": "deploy", "for": pressed}
    text = said(operator, "/queues/default/pause/", **data)
    assert text == "Queue default is paused; jobs that run go on."
    pause = Pause.objects.get()
    assert (pause.reason, pause.actor) == ("deploy", "otto")
    if lasts is None:
        assert pause.until is None
    else:
        assert pause.until is not None
        left = pause.until - timezone.now()
        assert lasts - 60 < left.total_seconds() <= lasts


def test_a_paused_queue_says_who_why_since_and_until(viewer: Client) -> None:
    now = timezone.now()
    create_pause(
        reason="deploy",
        created_at=now - timedelta(minutes=5, seconds=1),
        until=now + timedelta(minutes=10, seconds=30),
    )
    soup = look(viewer)
    assert note(soup) == (
        "Paused 5 m ago by mara. It resumes by itself in 10 m. Reason: deploy"
    )
    assert soup.find("button", form="act") is None


def test_the_wait_in_a_paused_queue_is_not_red(viewer: Client) -> None:
    wait = {"class": "r bad"}
    assert find(look(viewer), "tr", id="queue-default").find("td", **wait)
    create_pause()
    assert not find(look(viewer), "tr", id="queue-default").find("td", **wait)


def test_a_queue_may_be_paused_before_its_first_job(viewer: Client) -> None:
    create_pause("fresh")
    assert "until somebody resumes it" in note(look(viewer), "fresh")


def test_resume_stands_where_pause_did(operator: Client) -> None:
    create_pause("a b/c?d")
    row = find(look(operator), "tr", id="queue-a b/c?d")
    button = find(row, "button", form="act")
    address = button.attrs["formaction"]
    assert address == f"/queues/{quote('a b/c?d')}/resume/?next=/queues/"
    assert said(operator, address) == "Queue a b/c?d goes on."
    assert Pause.objects.get().resumed_by == "otto"


def test_the_form_of_a_paused_queue_holds_its_reason(operator: Client) -> None:
    create_pause(reason="deploy")
    form = find(look(operator, "/queues/?pause=default"), "form", id="pause")
    assert find(form, "input", name="reason").attrs["value"] == "deploy"
    assert "replaces its reason" in form.text


def test_a_viewer_is_offered_nothing(viewer: Client) -> None:
    soup = look(viewer, "/queues/?pause=default")
    assert soup.find("form", id="pause") is None
    assert "Pause" not in find(soup, "main").text


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_act_needs_the_permission_and_post(
    client: Client, viewer: Client, verb: str
) -> None:
    create_pause()
    assert viewer.post(f"/queues/default/{verb}/").status_code == 403
    assert viewer.get(f"/queues/default/{verb}/").status_code == 405
    assert Pause.objects.standing().count() == 1


def test_an_unknown_queue_is_a_message(operator: Client) -> None:
    text = said(operator, "/queues/emials/pause/")
    assert text == "There is no queue emials. Did you mean emails?"
    assert not Pause.objects.exists()


def test_what_cannot_work_leads_back_to_the_form(operator: Client) -> None:
    data = {"reason": "x" * 501}
    response = operator.post("/queues/default/pause/", data)
    assert response.status_code == 303
    assert response["Location"] == "/queues/?pause=default"


def test_while_redis_is_away_the_message_is_a_warning(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BrokerUnavailable("refused")

    monkeypatch.setattr(pauses, "reconcile", fail)
    response = operator.post("/queues/default/pause/", follow=True)
    message = find(Soup(response.content), "p", role="status")
    assert message.attrs["class"] == "banner warning-edge"
    assert "Redis does not answer now" in message.text
    assert Pause.objects.exists()


def test_a_job_says_that_its_queue_is_paused_and_resumes_it(operator: Client) -> None:
    create_pause(reason="deploy")
    url = f"/jobs/{create_job().id}/"
    banner = find(look(operator, url), "div", id="waiting-because")
    assert "Its queue default is paused." in banner.text
    assert "Reason: deploy" in banner.text
    button = find(banner, "button", form="act")
    response = operator.post(button.attrs["formaction"])
    assert (response.status_code, response["Location"]) == (303, url)
    assert not pauses.current_pauses()


def test_a_viewer_of_a_job_sees_the_pause_without_the_button(viewer: Client) -> None:
    create_pause()
    banner = find(
        look(viewer, f"/jobs/{create_job().id}/"), "div", id="waiting-because"
    )
    assert "is paused" in banner.text
    assert banner.find("button", form="act") is None


def test_nobody_is_sent_away_by_a_link(operator: Client) -> None:
    url = "/queues/default/resume/?next=https://evil.example/"
    assert operator.post(url)["Location"] == "/queues/"


def test_the_overview_mentions_it_with_the_button(operator: Client) -> None:
    create_pause(reason="deploy")
    create_job()
    soup = look(operator, "/")
    verdict = find(soup, "section", **{"class": "verdict warn-edge"})
    item = find(verdict, "li")
    assert "Queue default is paused; 3 jobs wait." in item.text
    assert find(item, "button", form="act").attrs["formaction"].endswith("?next=/")
    (strip,) = soup.find_all("dl", **{"class": "kpi"})
    assert "—" in strip.text  # no queue is behind but the one that is held back


def test_markup_is_inert_in_every_field(operator: Client) -> None:
    create_pause(MARKUP, reason=MARKUP, actor=MARKUP)
    for url in ("/queues/", f"/queues/?pause={quote(MARKUP)}"):
        assert MARKUP.encode() not in operator.get(url).content
