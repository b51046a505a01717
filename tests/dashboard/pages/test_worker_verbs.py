from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from tasks.broker.snapshot import Snapshot
from tasks.models import Audit
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job
from tests.listening import Hear, listening, register
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]
NAME = "a b/c?d"


@pytest.fixture
def hear() -> Iterator[Hear]:
    """Have a worker that listens, with a name that addresses must quote."""
    register(NAME)
    with listening(NAME) as heard:
        yield heard


def look(client: Client, url: str = "/workers/") -> Soup:
    return Soup(client.get(url).content)


def said(client: Client, url: str) -> str:
    """Press a button and return the message on the page that follows."""
    page = Soup(client.post(url, follow=True).content)
    message = page.find("p", role="status")
    assert message
    return message.text


def row_of(soup: Soup, name: str) -> Node:
    row = soup.find("tr", id=f"worker-{name}")
    assert row
    return row


def addresses(row: Node) -> list[str]:
    return [b.attrs["formaction"] for b in row.find_all("button", form="act")]


def test_a_worker_is_quieted_and_woken_at_once(
    operator: Client, show_snapshot: Show, hear: Hear
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker(NAME)]))
    (quiet,) = addresses(row_of(look(operator), NAME))
    assert quiet == f"/workers/{quote(NAME)}/quiet/"
    assert "takes no more jobs" in said(operator, quiet)
    assert hear()[1] == {"command": "quiet", "worker": NAME}
    show_snapshot(
        make_snapshot(workers=[make_worker(NAME, quiet_since=timezone.now())])
    )
    operator.post("/workers/none/quiet/")  # forgets the board
    (wake,) = addresses(row_of(look(operator), NAME))
    assert "takes jobs again" in said(operator, wake)
    assert hear()[1] == {"command": "wake", "worker": NAME}
    assert [a.verb for a in Audit.objects.order_by("id")] == [
        "worker.quiet",
        "worker.wake",
    ]


def test_stopping_asks_first_outside_the_live_region(
    operator: Client, show_snapshot: Show, hear: Hear
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker(NAME)]))
    link = row_of(look(operator), NAME).find("a", **{"class": "btn d"})
    assert link
    soup = look(operator, link.attrs["href"])
    form = soup.find("form", id="stop")
    assert form
    assert NAME in form.text
    assert form.find("input", name="csrfmiddlewaretoken")
    live = soup.find("div", id="live")
    assert live
    assert live.find("form") is None
    assert "stops" in said(operator, form.attrs["action"])
    assert hear()[1] == {"command": "shutdown"}


def test_a_quiet_worker_says_since_when_and_what_still_runs(
    viewer: Client, show_snapshot: Show
) -> None:
    quiet = make_worker("w1", quiet_since=timezone.now(), running=2)
    show_snapshot(make_snapshot(workers=[quiet]))
    soup = look(viewer)
    assert "quiet" in row_of(soup, "w1").text
    note = soup.find("tr", id="quiet-w1")
    assert note
    assert "2 jobs still run." in note.text


def test_the_overview_wakes_a_quiet_worker(
    operator: Client, show_snapshot: Show
) -> None:
    create_job()
    quiet = make_worker("w1", quiet_since=timezone.now())
    show_snapshot(make_snapshot(workers=[quiet]))
    (verdict,) = look(operator, "/").find_all(
        "section", **{"class": "verdict warn-edge"}
    )
    assert "Worker w1 on vm-3 has been quiet for" in " ".join(verdict.text.split())
    assert addresses(verdict) == ["/workers/w1/wake/?next=/"]


def test_a_stock_worker_is_only_offered_to_stop(
    operator: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w1", version="2.12.0")]))
    row = row_of(look(operator), "w1")
    assert addresses(row) == []
    assert row.find("a", href="/workers/?stop=w1")


def test_a_viewer_is_offered_nothing(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot(workers=[make_worker(quiet_since=timezone.now())]))
    for url in ("/workers/?stop=w1", "/"):
        soup = look(viewer, url)
        assert soup.find("form", id="stop") is None
        assert soup.find_all("button", form="act") == []
        live = soup.find("div", id="live")
        assert live
        assert live.find("a", href="/workers/?stop=w1") is None


@pytest.mark.parametrize("verb", ["quiet", "wake", "stop"])
def test_an_act_needs_the_permission_and_post(
    client: Client, viewer: Client, verb: str
) -> None:
    register("w1")
    with listening("w1"):
        assert viewer.post(f"/workers/w1/{verb}/").status_code == 403
        assert viewer.get(f"/workers/w1/{verb}/").status_code == 405
    assert not Audit.objects.exists()


@pytest.mark.parametrize("verb", ["quiet", "wake", "stop"])
def test_what_cannot_be_told_is_a_warning(operator: Client, verb: str) -> None:
    register("w1", silent_for=99)
    assert said(operator, f"/workers/w2/{verb}/").startswith("There is no worker w2.")
    assert "does not answer" in said(operator, f"/workers/w1/{verb}/")


def test_nobody_is_sent_away_by_a_link(operator: Client, hear: Hear) -> None:
    url = f"/workers/{quote(NAME)}/wake/?next=https://evil.example/"
    assert operator.post(url)["Location"] == "/workers/"


@pytest.mark.parametrize(
    ("verb", "quiet_since", "words"),
    [("quiet", None, "take no more jobs"), ("wake", timezone.now(), "take jobs")],
)
def test_all_are_told_after_a_question(
    operator: Client,
    show_snapshot: Show,
    verb: str,
    quiet_since: datetime | None,
    words: str,
) -> None:
    workers = [make_worker(name, quiet_since=quiet_since) for name in ("w1", "w2")]
    show_snapshot(make_snapshot(workers=workers))
    (link,) = [
        a for a in look(operator).find_all("a") if "?all=" in a.attrs.get("href", "")
    ]
    assert link.attrs["href"] == f"/workers/?all={verb}"
    form = look(operator, link.attrs["href"]).find("form", id="all")
    assert form
    assert form.find("input", name="csrfmiddlewaretoken")
    with listening("w1") as first, listening("w2") as second:
        assert f"2 workers {words}" in said(operator, form.attrs["action"])
        assert [hear()[1] for hear in (first, second)] == [{"command": verb}] * 2
    assert Audit.objects.get().verb == f"worker.{verb}"


def test_one_worker_alone_needs_no_word_to_all(
    operator: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w1")]))
    assert "Quiet all" not in look(operator).text


def test_a_viewer_is_neither_offered_nor_asked_to_tell_all(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w1"), make_worker("w2")]))
    soup = look(viewer, "/workers/?all=quiet")
    assert "Quiet all" not in soup.text
    assert viewer.post("/workers/quiet/").status_code == 403
