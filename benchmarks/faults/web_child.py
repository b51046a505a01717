"""The web process as its killers start it: forked from one that has all code loaded."""

from __future__ import annotations

import socket

import uvicorn
from django.urls import get_resolver

from dashboard.asgi import application

_ = get_resolver().url_patterns  # all pages and the API are imported here, and once


def serve(listener: socket.socket) -> None:
    """Answer requests until killed, as uvicorn does under `manage.py up`."""
    config = uvicorn.Config(
        application, lifespan="off", access_log=False, log_level="critical"
    )
    uvicorn.Server(config).run(sockets=[listener])
