from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.access import PUBLIC, LiveRequest, access, web_actor
from tasks.policy import PERMISSIONS
from tests.factories import OPERATOR, VIEWER, create_user

pytestmark = pytest.mark.django_db

#: Guarded by their own means, each with its own tests.
ELSEWHERE = ("api/v1/", "admin/")

#: What fills a route's parameters; nothing of that name exists.
ANYTHING = "none"

GET, POST = "get", "post"


def our_patterns() -> list[URLPattern]:
    return [
        pattern
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern)
    ]


def guarded() -> Iterator[tuple[str, str]]:
    """Yield the path and verb of every view that is not public."""
    for pattern in our_patterns():
        verb = getattr(pattern.callback, "access_verb", None)
        if verb not in (PUBLIC, None):
            names = pattern.pattern.converters
            yield _path(pattern, dict.fromkeys(names, ANYTHING)), verb


def _path(pattern: URLPattern, values: dict[str, str]) -> str:
    route = str(pattern.pattern)
    for name, value in values.items():
        converter = pattern.pattern.converters[name]
        kind = type(converter).__name__.removesuffix("Converter").lower()
        route = route.replace(f"<{kind}:{name}>", value).replace(f"<{name}>", value)
    return f"/{route}"


def ask(client: Client, path: str, verb: str) -> HttpResponse:
    method = client.get if verb == "view" else client.post
    return method(path, {"page": "/"} if path == "/live/" else None)


def test_every_view_says_who_may_open_it() -> None:
    bare = [
        pattern.name
        for pattern in our_patterns()
        if not hasattr(pattern.callback, "access_verb")
    ]
    assert bare == []


def test_only_these_views_are_public() -> None:
    public = {
        pattern.name
        for pattern in our_patterns()
        if getattr(pattern.callback, "access_verb", None) == PUBLIC
    }
    assert public == {
        "healthz",
        "sign-in",
        "sign-in-link",
        "sign-out",
        "theme",
        "set_language",
    }


def test_what_is_included_is_guarded_elsewhere() -> None:
    included = {
        str(pattern.pattern)
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLResolver)
    }
    assert included == set(ELSEWHERE)


@pytest.mark.parametrize(("path", "verb"), list(guarded()))
def test_anonymous_visitors_go_to_the_sign_in_page(
    client: Client, path: str, verb: str
) -> None:
    response = ask(client, path, verb)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/?next=/")


@pytest.mark.parametrize(("path", "verb"), list(guarded()))
def test_nobody_passes_without_the_permission(
    client: Client, path: str, verb: str
) -> None:
    has = () if verb == "view" else VIEWER
    client.force_login(create_user(permissions=has))
    response = ask(client, path, verb)
    assert response.status_code == 403
    assert PERMISSIONS[verb] in response.content.decode()


@pytest.mark.parametrize(
    ("path", "verb"), [(path, verb) for path, verb in guarded() if path != "/live/"]
)
def test_who_has_the_permission_passes(operator: Client, path: str, verb: str) -> None:
    assert ask(operator, path, verb).status_code in (200, 303, 404, 422)


@pytest.mark.parametrize(("path", "verb"), list(guarded()))
def test_a_view_takes_one_method_only(operator: Client, path: str, verb: str) -> None:
    wrong = operator.post if verb == "view" else operator.get
    assert wrong(path).status_code == 405


@pytest.mark.parametrize(
    "path", [path for path, verb in guarded() if verb != "view"] + ["/theme/"]
)
def test_an_act_needs_the_token_of_its_form(path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(create_user(permissions=OPERATOR))
    response = client.post(path)
    assert response.status_code == 403
    assert "no longer valid" in response.content.decode()


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        ("http://testserver/schedules/-/new/?task=add", "/schedules/-/new/?task=add"),
        ("http://testserver/schedules/-/create/", "/"),  # a form that was refused once
        ("http://evil.example/schedules/", "/"),
        ("", "/"),
    ],
)
def test_who_signed_in_to_send_a_form_comes_to_a_page_that_there_is(
    client: Client, referer: str, page: str
) -> None:
    user = create_user(permissions=OPERATOR)
    user.set_password("secret")
    user.save()
    sent = client.post("/schedules/-/create/", headers={"Referer": referer})
    signed_in = {"username": user.username, "password": "secret"}
    assert client.post(sent["Location"], signed_in)["Location"] == page
    assert client.get(page).status_code == 200


def test_a_fragment_sends_the_window_to_the_sign_in_page(client: Client) -> None:
    response = client.get(
        "/queues/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/queues/"},
    )
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fqueues%2F"
    assert b"<form" not in response.content


def test_a_superuser_may_do_everything() -> None:
    user = create_user(permissions=())
    user.is_superuser = True
    assert web_actor(user).permissions is None


def test_an_actor_is_named_as_the_user() -> None:
    actor = web_actor(create_user("mara", permissions=OPERATOR))
    assert (actor.name, actor.via) == ("mara", "web")
    assert actor.may("retry")


def test_a_live_request_brings_its_own_permissions() -> None:
    @access("view")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.GET["state"])

    request = LiveRequest("/", "state=failed", frozenset({"tasks.view_job"}))
    assert view(request).content == b"failed"


def test_no_client_can_pretend_to_be_the_hub(rf: RequestFactory) -> None:
    assert not isinstance(rf.get("/", headers={"X-Live": "1"}), LiveRequest)
