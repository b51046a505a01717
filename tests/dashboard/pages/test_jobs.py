from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.pages import jobs
from tasks import actions
from tasks.board import Board, Outage
from tasks.broker import keys
from tasks.broker.client import get_client
from tasks.errors import BrokerUnavailable, TransitionNotAllowed
from tasks.models import Audit, Job
from tasks.states import State
from tests.dashboard.soup import Soup
from tests.factories import OPERATOR, VIEWER, create_attempt, create_job, create_user

pytestmark = pytest.mark.django_db

LIVE = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "div#live"}
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(create_user("vera", permissions=VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(create_user("otto", permissions=OPERATOR))
    return client


def get(client: Client, url: str, **headers: Any) -> Soup:
    response = client.get(url, **headers)
    assert response.status_code == 200, response.content
    return Soup(response.content)


def rows_of(soup: Soup) -> list[str]:
    found = soup.find_all("tr", id=lambda value: value.startswith("job-"))
    return [row.id.removeprefix("job-") for row in found]


# The list.


def test_the_list_needs_a_sign_in(client: Client) -> None:
    response = client.get("/jobs/")
    assert response.status_code == 302
    assert "sign-in" in response["Location"]


def test_the_list_needs_the_permission_to_view(client: Client) -> None:
    client.force_login(create_user(permissions=()))
    assert client.get("/jobs/").status_code == 403


def test_the_newest_job_comes_first(viewer: Client) -> None:
    old = create_job(created_at=timezone.now() - timedelta(hours=1))
    new = create_job()
    assert rows_of(get(viewer, "/jobs/")) == [new.id, old.id]


@pytest.mark.parametrize("word", ["failed", "Failed"])
def test_the_state_filter_takes_word_and_label(viewer: Client, word: str) -> None:
    failed = create_job(state=State.FAILED)
    create_job(state=State.FINISHED)
    assert rows_of(get(viewer, f"/jobs/?state={word}")) == [failed.id]


def test_filters_by_task_queue_and_beginning_of_the_id(viewer: Client) -> None:
    wanted = create_job(id="abc-1", task="t.one", queue="low")
    create_job(id="abd-1", task="t.one", queue="low")
    create_job(id="abc-2", task="t.two", queue="low")
    create_job(id="abc-3", task="t.one", queue="high")
    found = rows_of(get(viewer, "/jobs/?task=t.one&queue=low&q=abc"))
    assert found == [wanted.id]


def test_the_beginning_of_an_id_is_no_pattern(viewer: Client) -> None:
    create_job(id="abc")
    assert rows_of(get(viewer, "/jobs/?q=%25")) == []
    assert rows_of(get(viewer, "/jobs/?q=ABC")) == []


@pytest.mark.parametrize(
    "query", ["state=melted", "before=x", "after=~", "before=99999999999999999~a"]
)
def test_a_query_that_says_nothing_shows_all(viewer: Client, query: str) -> None:
    job = create_job()
    assert rows_of(get(viewer, f"/jobs/?{query}")) == [job.id]


def test_older_and_newer_pages_meet_without_gap(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of_two(monkeypatch)
    at = timezone.now() - timedelta(hours=1)
    made = [create_job(id=f"j{n}", created_at=at).id for n in range(5)]
    first = get(viewer, "/jobs/")
    second = get(viewer, "/jobs/" + first.find("a", rel="next").attrs["href"])
    third = get(viewer, "/jobs/" + second.find("a", rel="next").attrs["href"])
    seen = rows_of(first) + rows_of(second) + rows_of(third)
    assert seen == sorted(made, reverse=True)
    assert third.find("a", rel="next") is None
    back = get(viewer, "/jobs/" + third.find("a", rel="prev").attrs["href"])
    assert rows_of(back) == rows_of(second)


def test_going_newer_past_the_first_row_shows_the_whole_first_page(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of_two(monkeypatch)
    at = timezone.now() - timedelta(hours=1)
    for number in range(3):
        create_job(id=f"j{number}", created_at=at)
    first = get(viewer, "/jobs/")
    second = get(viewer, "/jobs/" + first.find("a", rel="next").attrs["href"])
    back = get(viewer, "/jobs/" + second.find("a", rel="prev").attrs["href"])
    assert rows_of(back) == ["j2", "j1"]


def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.job_list.PAGE_SIZE", 2)


def test_the_first_page_is_live_and_an_older_one_holds_still(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of_two(monkeypatch)
    for _number in range(3):
        create_job()
    first = get(viewer, "/jobs/", **LIVE)
    assert first.find("html") is None
    older = get(viewer, "/jobs/").find("a", rel="next").attrs["href"]
    assert get(viewer, "/jobs/" + older, **LIVE).find("html") is not None


def test_chips_count_states_whatever_state_is_chosen(viewer: Client) -> None:
    create_job(state=State.FAILED, queue="low")
    create_job(state=State.FAILED, queue="high")
    create_job(state=State.FINISHED, queue="low")
    everything = get(viewer, "/jobs/?state=finished")
    assert everything.find("a", id="chip-failed").text.split()[-1] == "2"
    low = get(viewer, "/jobs/?state=finished&queue=low")
    assert low.find("a", id="chip-failed").text.split()[-1] == "1"


def test_the_chosen_chip_leads_back_to_all(viewer: Client) -> None:
    create_job(state=State.FAILED)
    chip = get(viewer, "/jobs/?state=failed").find("a", id="chip-failed")
    assert chip.attrs["aria-current"] == "true"
    assert "state" not in chip.attrs["href"]


def test_an_empty_list_shows_how_to_queue_something(viewer: Client) -> None:
    assert "submit(" in get(viewer, "/jobs/").find("pre").text


def test_a_filter_without_a_match_says_so_and_offers_more(viewer: Client) -> None:
    create_job(state=State.FINISHED)
    soup = get(viewer, "/jobs/?state=failed&q=abc")
    assert soup.find("code").text == "state:failed id:abc"
    hrefs = [a.attrs["href"] for a in soup.find_all("a")]
    assert "?q=abc" in hrefs


def test_the_list_costs_the_same_for_more_rows(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    _assert_same_cost(viewer, "/jobs/", create_job, django_assert_num_queries)


def _assert_same_cost(
    client: Client, url: str, make: Callable[[], object], exactly: Any
) -> None:
    for _number in range(5):
        make()
    with CaptureQueriesContext(connection) as few:
        get(client, url)
    for _number in range(5):
        make()
    with exactly(len(few)):
        get(client, url)


# The page of one.


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_page(operator: Client, state: State) -> None:
    job = create_job(state=state)
    soup = get(operator, f"/jobs/{job.id}/")
    assert soup.find("h1") is not None
    assert verbs_of(soup, job) == set(actions.legal_verbs(job))


def verbs_of(soup: Soup, job: Job) -> set[str]:
    names = {name: name for name in ("cancel", "stop", "retry")}
    names |= {"again": "run_again", "fail": "mark_failed"}
    buttons = soup.find_all("button", form="act")
    urls = {button.attrs["formaction"] for button in buttons}
    return {
        verb
        for name, verb in names.items()
        if reverse(f"jobs-{name}", args=[job.id]) in urls
    }


def test_a_viewer_is_offered_nothing(viewer: Client) -> None:
    job = create_job(state=State.FAILED)
    soup = get(viewer, f"/jobs/{job.id}/")
    assert verbs_of(soup, job) == set()


def test_live_regions_hold_nothing_of_one_user(operator: Client) -> None:
    job = create_job(state=State.FAILED)
    live = operator.get(f"/jobs/{job.id}/", **LIVE).content.decode()
    assert "csrf" not in live
    assert "otto" not in live


def test_an_unknown_job_is_a_404_page(viewer: Client) -> None:
    assert viewer.get("/jobs/no-such-job/").status_code == 404


def test_an_id_of_another_client_may_be_any_text(viewer: Client) -> None:
    job = create_job(id="a/b c?d#é")
    assert viewer.get(job.get_absolute_url()).status_code == 200


def test_a_failure_shows_its_traceback_with_library_frames_folded(
    viewer: Client,
) -> None:
    job = create_job(state=State.FAILED, error="ValueError", message="no luck")
    lines = [
        "Traceback (most recent call last):",
        '  File "/x/site-packages/y.py", line 1, in f',
        "    g()",
        '  File "/shop/jobs.py", line 9, in charge',
        "    raise ValueError('no luck')",
        "ValueError: no luck",
    ]
    create_attempt(job, traceback="\n".join(lines))
    trace = get(viewer, f"/jobs/{job.id}/").find("div", id="trace")
    assert len(trace.find_all("details")) == 1
    assert trace.find("button").attrs["data-copy"] == "\n".join(lines)


def test_a_result_is_written_as_indented_json(viewer: Client) -> None:
    job = create_job(state=State.FINISHED, result='{"a":1}', result_size=7)
    soup = get(viewer, f"/jobs/{job.id}/")
    assert soup.find("pre", id="result").text == '{\n  "a": 1\n}'


def test_a_result_that_no_page_can_hold_is_shown_without_it(viewer: Client) -> None:
    job = create_job(state=State.FINISHED, result='"half \\ud83d"', result_size=13)
    assert get(viewer, f"/jobs/{job.id}/").find("pre", id="result").text == '"half ?"'


def test_a_result_that_was_cut_says_its_size(viewer: Client) -> None:
    job = create_job(state=State.FINISHED, result='{"a":', result_size=2_000_000)
    assert "1.9 MB" in get(viewer, f"/jobs/{job.id}/").text


def test_the_kept_log_is_shown_and_the_whole_one_is_plain_text(viewer: Client) -> None:
    job = create_job(state=State.FINISHED)
    create_attempt(job, log=f"first\n{MARKUP}")
    soup = get(viewer, f"/jobs/{job.id}/")
    assert soup.find("pre", id="log").text == f"first\n{MARKUP}"
    whole = viewer.get(f"/jobs/{job.id}/log/")
    assert whole["Content-Type"].startswith("text/plain")
    assert whole["X-Content-Type-Options"] == "nosniff"


def test_a_running_job_shows_progress_and_log_as_redis_has_them(viewer: Client) -> None:
    job = create_job(state=State.STARTED)
    said = {"done": 9, "total": 10, "text": MARKUP}
    get_client().hset(keys.job(job.id), "ty:progress", json.dumps(said))
    line = {"at": "1763700000.5", "exec": "e1", "line": MARKUP}
    get_client().xadd(keys.log(job.id), line)
    soup = get(viewer, f"/jobs/{job.id}/")
    assert soup.find("progress").attrs["value"] == "90"
    assert MARKUP in soup.find("pre", id="log").text
    assert soup.find("img") is None


def test_the_page_stands_while_redis_is_out(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(timezone.now(), "refused", "x")
    monkeypatch.setattr(jobs, "read_board", lambda: Board(None, outage))
    for state in State:
        job = create_job(state=state, progress={"done": 1, "total": 2, "text": ""})
        soup = get(operator, f"/jobs/{job.id}/")
        assert soup.find("h1") is not None
        assert verbs_of(soup, job) <= {"run_again", "mark_failed"}


def test_a_message_that_says_all_has_no_traceback_below(viewer: Client) -> None:
    job = create_job(state=State.STOPPED, error="Stopped", message="by a user")
    create_attempt(job, traceback="by a user\n")
    assert get(viewer, f"/jobs/{job.id}/").find("div", id="trace") is None


def test_relatives_are_shown_with_their_states(viewer: Client) -> None:
    parent = create_job(state=State.STARTED)
    job = create_job(state=State.DEFERRED, parents=[parent])
    child = create_job(state=State.DEFERRED, parents=[job])
    hrefs = [a.attrs.get("href") for a in get(viewer, f"/jobs/{job.id}/").find_all("a")]
    assert parent.get_absolute_url() in hrefs
    assert child.get_absolute_url() in hrefs


def test_a_parent_that_is_gone_is_named_without_a_link(viewer: Client) -> None:
    parent = create_job(id="gone-parent")
    job = create_job(state=State.DEFERRED, parents=[parent])
    parent.delete()
    soup = get(viewer, f"/jobs/{job.id}/")
    assert "gone-parent" in soup.find("div", id="waiting-because").text
    assert soup.find("a", href="/jobs/gone-parent/") is None


def test_history_names_who_did_what(viewer: Client) -> None:
    job = create_job(state=State.CANCELED)
    Audit.objects.create(actor="otto", via="web", verb="cancel", target=job.id)
    assert (
        "otto"
        in get(viewer, f"/jobs/{job.id}/").find("ul", **{"class": "history"}).text
    )


def test_markup_is_inert_in_every_field(viewer: Client) -> None:
    job = create_job(
        state=State.FAILED,
        task=f"t.{MARKUP}",
        queue=MARKUP,
        kwargs={MARKUP: MARKUP},
        args=[MARKUP],
        tags=[MARKUP],
        error=MARKUP,
        message=MARKUP,
        worker=MARKUP,
        submitted_by=MARKUP,
        idempotency_key=MARKUP,
    )
    create_attempt(job, traceback=MARKUP, log=MARKUP, worker=MARKUP, host=MARKUP)
    Audit.objects.create(
        actor=MARKUP, via="web", verb=MARKUP, target=job.id, reason=MARKUP
    )
    for url in (f"/jobs/{job.id}/", "/jobs/", f"/jobs/?queue={MARKUP}&q={MARKUP}"):
        assert get(viewer, url).find("img") is None


def test_the_page_costs_the_same_for_more_attempts(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    job = create_job(state=State.FAILED)

    def add() -> None:
        create_attempt(job)
        create_job(state=State.DEFERRED, parents=[job])
        create_job(state=State.FINISHED)
        Audit.objects.create(actor="x", via="cli", verb="retry", target=job.id)

    _assert_same_cost(viewer, f"/jobs/{job.id}/", add, django_assert_num_queries)


# The acts.

ACTS = [
    ("cancel", "cancel", State.QUEUED, State.FINISHED),
    ("stop", "stop", State.STARTED, State.QUEUED),
    ("retry", "retry", State.FAILED, State.STARTED),
    ("again", "run_again", State.FINISHED, State.STARTED),
]
each_act = pytest.mark.parametrize(("name", "verb", "state", "wrong"), ACTS)


@each_act
def test_an_act_calls_its_function_and_leads_to_the_job(
    operator: Client,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    verb: str,
    state: State,
    wrong: State,
) -> None:
    job = create_job(state=state)
    called = []
    monkeypatch.setattr(
        jobs.actions,
        verb,
        lambda actor, job_id: called.append((actor.name, job_id)) or job,
    )
    response = operator.post(reverse(f"jobs-{name}", args=[job.id]))
    assert (response.status_code, response["Location"]) == (303, f"/jobs/{job.id}/")
    assert called == [("otto", job.id)]


@each_act
def test_an_act_rejects_get(
    operator: Client, name: str, verb: str, state: State, wrong: State
) -> None:
    job = create_job(state=state)
    assert operator.get(reverse(f"jobs-{name}", args=[job.id])).status_code == 405


@each_act
def test_an_act_needs_a_sign_in(
    client: Client, name: str, verb: str, state: State, wrong: State
) -> None:
    job = create_job(state=state)
    response = client.post(reverse(f"jobs-{name}", args=[job.id]))
    assert response.status_code == 302
    assert "sign-in" in response["Location"]


@each_act
def test_an_act_needs_its_permission(
    viewer: Client, name: str, verb: str, state: State, wrong: State
) -> None:
    job = create_job(state=state)
    assert viewer.post(reverse(f"jobs-{name}", args=[job.id])).status_code == 403


@each_act
def test_an_act_needs_its_token(
    name: str, verb: str, state: State, wrong: State
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(create_user("otto", permissions=OPERATOR))
    job = create_job(state=state)
    assert strict.post(reverse(f"jobs-{name}", args=[job.id])).status_code == 403


@pytest.mark.parametrize(("name", "verb", "state", "wrong"), ACTS[:3])
def test_a_state_that_changed_meanwhile_is_a_message_on_the_fresh_page(
    operator: Client, name: str, verb: str, state: State, wrong: State
) -> None:
    job = create_job(state=wrong)
    response = operator.post(reverse(f"jobs-{name}", args=[job.id]), follow=True)
    assert response.redirect_chain == [(f"/jobs/{job.id}/", 303)]
    assert Soup(response.content).find("p", role="status") is not None
    job.refresh_from_db()
    assert job.state == wrong


@each_act
def test_a_job_that_is_gone_leads_to_the_list(
    operator: Client, name: str, verb: str, state: State, wrong: State
) -> None:
    response = operator.post(reverse(f"jobs-{name}", args=["gone"]))
    assert (response.status_code, response["Location"]) == (303, "/jobs/")


@pytest.mark.parametrize(
    "error",
    [BrokerUnavailable("refused"), TransitionNotAllowed("x", "retry", "started")],
)
def test_what_an_act_raises_is_said(
    operator: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job = create_job(state=State.FAILED)

    def refuse(actor: object, job_id: str) -> Job:
        raise error

    monkeypatch.setattr(jobs.actions, "retry", refuse)
    response = operator.post(f"/jobs/{job.id}/retry/", follow=True)
    assert str(error) in Soup(response.content).text
