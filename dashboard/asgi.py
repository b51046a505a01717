"""The ASGI entry point: `uvicorn dashboard.asgi:application`."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tasks.conf import PROJECT_ROOT
from tasks.patience import wait_as_a_page

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

wait_as_a_page()
_pages = get_asgi_application()

#: The project's files and those of Django's admin, compressed, straight from where they
#: lie. Only these are compressed: a compressed page would leak its CSRF token (BREACH).
_files = Starlette(
    routes=[
        Mount(
            "/static",
            GZipMiddleware(
                StaticFiles(
                    directory=PROJECT_ROOT / "static",
                    packages=[("django.contrib.admin", "static")],
                )
            ),
        )
    ]
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer from the static files or by Django."""
    is_file = scope["type"] == "http" and scope["path"].startswith("/static/")
    await (_files if is_file else _pages)(scope, receive, send)
