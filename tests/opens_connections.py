"""A module of tasks that connects to something when it is imported."""

from __future__ import annotations

import socket

CONNECTION = socket.socketpair()
