"""Django's settings, made from Taskyard's own (`tasks/conf.py`)."""

from __future__ import annotations

from typing import Any

import dj_database_url
from django.utils.functional import lazy

from tasks import conf
from tasks.conf import PROJECT_ROOT, get_config, load_secret_key
from tasks.errors import ConfigurationError
from tasks.process import see_working_folder
from tasks.text import name_problem

# The web process and the children of workers know no manage.py, and an app that
# TASKYARD_APPS names may lie in the working folder.
see_working_folder()

CONFIG = get_config()

DEBUG = False
# A worker host needs no secret, so the key is read (or made) when first used.
SECRET_KEY = lazy(load_secret_key, str)()
ALLOWED_HOSTS = [*CONFIG.taskyard_hosts] or ["*"]

INSTALLED_APPS = [
    "dashboard",
    "tasks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "template_partials",
    "django_htmx",
    "django_rq",
    "ninja",
    *CONFIG.taskyard_apps,
]

MIDDLEWARE = [
    "dashboard.api.problems.problem_middleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.errors.DatabaseOutageMiddleware",
    "dashboard.errors.WrongMethodMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
WSGI_APPLICATION = "dashboard.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT_ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    if CONFIG.database_url:
        try:
            database: dict[str, Any] = dict(dj_database_url.parse(CONFIG.database_url))
        except (ValueError, dj_database_url.UnknownSchemeError) as error:
            raise ConfigurationError(
                name_problem("DATABASE_URL", str(error))
            ) from error
    else:
        database = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": CONFIG.taskyard_data / "taskyard.sqlite3",
        }
    if database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "tasks.postgresql"
        # An address that swallows packets would be waited for over two minutes.
        database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["ENGINE"] = "tasks.sqlite"
        database["TEST"] = {"NAME": ":memory:"}
        # WAL lets pages read while the recorder writes; IMMEDIATE queues the writers
        # instead of failing the second one at its first write. The recorder empties the
        # log before it is so long (40 MB) that a submitter has to, waiting for the disk.
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            " PRAGMA wal_autocheckpoint=10000;",
        }
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

RQ_QUEUES = {
    "default": {
        "URL": CONFIG.broker_url(),
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"
    },
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"
# The domain asks for it by this name, because it must not import the pages.
TASKYARD_SIGN_IN_LINK = "dashboard.pages.account.make_sign_in_link"

LANGUAGE_CODE = CONFIG.language()
LANGUAGES = [*conf.LANGUAGES.items()]
LOCALE_PATHS = [PROJECT_ROOT / "locale"]
FORMAT_MODULE_PATH = "dashboard.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [PROJECT_ROOT / "static"]

SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "filters": {"refusals": {"()": "dashboard.refusals.ShortRefusals"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["refusals"],
        }
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
