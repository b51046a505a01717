"""The WSGI entry point, for servers that speak no ASGI; live pages then poll."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from tasks.patience import wait_as_a_page

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

wait_as_a_page()
application = get_wsgi_application()
