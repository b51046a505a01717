"""Signing in and out, and the two things a person chooses: language and theme."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import set_language as django_set_language

from dashboard.access import public
from dashboard.redirects import way_back
from dashboard.shell import THEME_COOKIE, THEMES, theme_of

#: How long a browser keeps the choice of theme.
A_YEAR = 365 * 24 * 3600


class SignInTokens(PasswordResetTokenGenerator):
    """Tokens that sign somebody in once: using one changes last_login, which it hashes."""

    key_salt = "dashboard.pages.account.SignInTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        # Django's own drops microseconds: a second use in the same second would pass.
        return f"{user.pk} {user.password} {user.last_login!r} {timestamp}"


sign_in_tokens = SignInTokens()


class SignIn(LoginView):
    template_name = "dashboard/account/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        context: dict[str, object] = super().get_context_data(**kwargs)
        return context | {"theme": theme_of(self.request)}


sign_in = require_http_methods(["GET", "HEAD", "POST"])(public(SignIn.as_view()))
sign_out = require_POST(public(LogoutView.as_view()))
set_language = require_POST(public(django_set_language))


@require_GET
@public
@never_cache
def sign_in_by_link(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Sign in whom the link was made for, once; send others to the sign-in page."""
    user = _user_of(uidb64)
    if user is not None and user.is_active and _use_up(user, token):
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return redirect("overview")
    messages.warning(
        request, _("This sign-in link has been used or is too old. Sign in here.")
    )
    return redirect("sign-in")


def _use_up(user: User, token: str) -> bool:
    """Say whether the token is good, and make sure that nobody else can use it."""
    if not sign_in_tokens.check_token(user, token):
        return False
    unused = User.objects.filter(pk=user.pk, last_login=user.last_login)
    return unused.update(last_login=timezone.now()) == 1


def make_sign_in_link(user: User, base_url: str) -> str:
    """Return a link that signs `user` in once; it ends with PASSWORD_RESET_TIMEOUT too."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("sign-in-link", args=[uid, sign_in_tokens.make_token(user)])
    return base_url.rstrip("/") + path


@require_POST
@public
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, so that the server draws it at once."""
    target = way_back(request, request.POST.get("next", ""), "overview")
    response = HttpResponseRedirect(target)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE, theme, max_age=A_YEAR, samesite="Lax", httponly=True
        )
    return response


def _user_of(uidb64: str) -> User | None:
    try:
        key = urlsafe_base64_decode(uidb64).decode()
        return User.objects.filter(pk=key).first()
    except (ValueError, OverflowError):
        return None
