"""What stands around every page: navigation with counts, theme, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.access import ActorRequest
from tasks.board import Board, Outage, read_board
from tasks.models import Schedule
from tasks.registry import registry
from tasks.reports import queue_names
from tasks.schedules.overdue import OVERDUE_AFTER

THEMES = ("system", "light", "dark")
THEME_COOKIE = "taskyard_theme"


@dataclass(frozen=True)
class NavItem:
    """One line of the navigation; `key` follows `g` on the keyboard."""

    name: str
    label: str
    url: str
    key: str
    count: str = ""
    is_bad: bool = False
    is_current: bool = False


@dataclass(frozen=True)
class Shell:
    """The frame's facts, one object so that templates name them all `shell.…`."""

    now: datetime
    nav: tuple[NavItem, ...]
    board: Board
    theme: str
    may_submit: bool
    may_operate: bool

    @property
    def outage(self) -> Outage | None:
        return self.board.outage


def make_shell(request: ActorRequest) -> Shell:
    board = read_board()
    return Shell(
        now=timezone.now(),
        nav=_nav(request.path, board),
        board=board,
        theme=theme_of(request),
        may_submit=request.actor.may("submit"),
        may_operate=request.actor.may("retry"),
    )


def theme_of(request: HttpRequest) -> str:
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else "system"


def _nav(path: str, board: Board) -> tuple[NavItem, ...]:
    items = (
        ("overview", _("Overview"), "o", "", False),
        ("jobs-list", _("Jobs"), "j", _waiting(board), False),
        ("queues-list", _("Queues"), "q", _queues(board), False),
        ("schedules-list", _("Schedules"), "s", *_schedules()),
        ("workers-list", _("Workers"), "w", *_workers(board)),
        ("tasks-list", _("Tasks"), "t", str(len(registry)), False),
    )
    return tuple(
        NavItem(name, label, url, key, count, bad, _is_current(url, path))
        for name, label, key, count, bad in items
        for url in [reverse(name)]
    )


def _is_current(url: str, path: str) -> bool:
    return path == url or (url != "/" and path.startswith(url))


def _waiting(board: Board) -> str:
    if board.snapshot is None:
        return ""
    return short_count(sum(queue.waiting for queue in board.snapshot.queues))


def _queues(board: Board) -> str:
    return str(len(queue_names(board.snapshot))) if board.snapshot else ""


def _schedules() -> tuple[str, bool]:
    """Return how many are enabled, and whether one of them is overdue."""
    enabled = Schedule.objects.filter(enabled=True).count()
    overdue = Schedule.objects.overdue(timezone.now() - OVERDUE_AFTER)
    return short_count(enabled), enabled > 0 and overdue.exists()


def _workers(board: Board) -> tuple[str, bool]:
    """Return "2", or "2/3" and that it is bad where one of them is lost."""
    if board.snapshot is None:
        return "", False
    workers = board.snapshot.workers
    alive = sum(worker.is_alive(board.snapshot.at) for worker in workers)
    lost = alive < len(workers)
    return (f"{alive}/{len(workers)}" if lost else str(alive)), lost


def short_count(number: int) -> str:
    """Return a count that fits the navigation: 142, 99 k, 1.2 M."""
    if number < 10_000:
        return f"{number:,}" if number else ""
    if number < 1_000_000:
        return f"{number // 1000} k"
    return f"{number / 1_000_000:.1f} M"
