"""A session ends while somebody fills a form: nothing that was typed is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_form_is_saved_after_signing_in_again_in_another_tab(
    page: Page, context: BrowserContext, site: Site
) -> None:
    page.goto(f"{site.url}/schedules/-/new/?task=greet")
    page.locator("[name='set-name']").fill("signed out meanwhile")
    page.locator("[name='arg-name']").fill("Ann")
    context.clear_cookies(name="sessionid")
    page.locator("[name='set-expression']").fill("0 9 * * 1-5")
    notice = page.get_by_role("alert").filter(has_text="You are signed out")
    expect(notice).to_be_visible()
    expect(page.locator("[name='arg-name']")).to_have_value("Ann")
    with context.expect_page() as opened:
        notice.get_by_role("link").click()
    sign_in(opened.value, site.password())
    expect(notice).to_be_hidden()
    page.get_by_role("button", name="Make this schedule").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("signed out meanwhile")


def test_a_page_without_a_form_goes_to_the_sign_in_page(
    page: Page, context: BrowserContext, site: Site
) -> None:
    page.goto(f"{site.url}/queues/")
    context.clear_cookies(name="sessionid")
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_label("User name")).to_be_visible()
