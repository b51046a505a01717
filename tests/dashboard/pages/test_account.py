from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.pages.account import make_sign_in_link
from tests.dashboard.soup import Soup
from tests.factories import VIEWER, create_user

pytestmark = pytest.mark.django_db

BASE = "http://testserver"


@pytest.fixture
def user() -> User:
    user = create_user("mara", permissions=VIEWER)
    user.set_password("correct horse")
    user.save(update_fields=["password"])
    return user


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def follow(client: Client, link: str) -> str:
    response = client.get(link)
    assert response.status_code == 302
    return response["Location"]


def test_a_password_signs_in_and_goes_where_one_wanted_to(
    client: Client, user: User
) -> None:
    sent = {"username": "mara", "password": "correct horse", "next": "/queues/"}
    response = client.post("/sign-in/", sent)
    assert response["Location"] == "/queues/"
    assert is_signed_in(client)


def test_a_wrong_password_says_so_and_keeps_the_name(
    client: Client, user: User
) -> None:
    response = client.post("/sign-in/", {"username": "mara", "password": "x"})
    text = response.content.decode()
    assert "do not belong together" in text
    assert 'value="mara"' in text


def test_nobody_is_sent_to_another_site(client: Client, user: User) -> None:
    sent = {"username": "mara", "password": "correct horse"}
    response = client.post("/sign-in/", {**sent, "next": "https://evil.example/"})
    assert response["Location"] == "/"


def test_signing_out_is_a_post(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get("/sign-out/").status_code == 405
    client.post("/sign-out/")
    assert not is_signed_in(client)


def test_a_sign_in_link_works_exactly_once(client: Client, user: User) -> None:
    link = make_sign_in_link(user, BASE + "/")
    assert link.startswith(f"{BASE}/sign-in/")
    assert follow(client, link) == "/"
    assert is_signed_in(client)
    other = Client()
    assert follow(other, link) == "/sign-in/"
    assert not is_signed_in(other)
    assert "has been used or is too old" in other.get("/sign-in/").content.decode()


def test_it_works_once_even_within_the_second_of_a_sign_in(user: User) -> None:
    with time_machine.travel(
        timezone.now().replace(microsecond=0), tick=False
    ) as clock:
        user.last_login = timezone.now()
        user.save(update_fields=["last_login"])
        link = make_sign_in_link(user, BASE)
        clock.shift(0.5)
        assert follow(Client(), link) == "/"
        assert follow(Client(), link) == "/sign-in/"


def test_an_old_link_is_refused(client: Client, user: User) -> None:
    link = make_sign_in_link(user, BASE)
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        assert follow(client, link) == "/sign-in/"


def test_a_link_dies_with_the_password_and_with_the_account(user: User) -> None:
    link = make_sign_in_link(user, BASE)
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert follow(Client(), link) == "/sign-in/"
    user.is_active = True
    user.set_password("another one")
    user.save(update_fields=["is_active", "password"])
    assert follow(Client(), link) == "/sign-in/"


@pytest.mark.parametrize("uid", ["x", "MQ", "4pyT", "%00"])
def test_a_made_up_link_is_refused(client: Client, uid: str) -> None:
    assert follow(client, f"/sign-in/{uid}/abc-def/") == "/sign-in/"


def test_looking_at_a_link_does_not_use_it_up(client: Client, user: User) -> None:
    link = make_sign_in_link(user, BASE)
    assert client.head(link).status_code == 405
    assert follow(client, link) == "/"


def test_the_theme_is_kept_in_a_cookie(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/workers/"})
    assert response["Location"] == "/workers/"
    assert response.cookies["taskyard_theme"].value == "dark"


def test_an_unknown_theme_is_not_kept(client: Client) -> None:
    response = client.post("/theme/", {"theme": "x", "next": "//evil.example/"})
    assert response["Location"] == "/"
    assert "taskyard_theme" not in response.cookies


def test_the_language_is_remembered(client: Client) -> None:
    client.post("/language/", {"language": "zh-hans", "next": "/sign-in/"})
    assert b'lang="zh-hans"' in client.get("/sign-in/").content


def test_each_language_is_offered_in_its_own_name(client: Client) -> None:
    for language in ("en", "zh-hans"):
        client.post("/language/", {"language": language})
        soup = Soup(client.get("/sign-in/").content)
        names = [button.text for button in soup.find_all("button", name="language")]
        assert names == ["English", "简体中文"]
