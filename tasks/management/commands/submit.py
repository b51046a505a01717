"""manage.py submit NAME key=value …: submit a job, and wait for it if asked."""

from __future__ import annotations

import shutil
import sys
import time
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks.broker.snapshot import read_progress
from tasks.errors import BrokerUnavailable, JobFailed
from tasks.management.pairs import read_pairs
from tasks.management.terminal import (
    FAILED,
    INTERRUPTED,
    command_errors,
    printable,
    to_json,
)
from tasks.policy import cli_actor
from tasks.registry import registry
from tasks.states import ENDED, State
from tasks.submission import Handle, submit
from tasks.text import gettext as _

#: Seconds between two looks at a job that is waited for.
LOOK_EVERY = 0.1

#: Seconds within which the result of a job that has ended must be readable.
RESULT_WITHIN = 10

#: The options of submit(), as the command line spells them.
OPTIONS = (
    *("id", "queue", "delay", "at", "depends_on", "allow_failure", "retries"),
    *("backoff", "timeout", "tags", "at_front", "idempotency_key", "description"),
)


class Command(BaseCommand):
    help = _(
        "Submit a job. Values are text where the task wants text, else JSON where they"
        " are JSON; key:=value is always JSON. Ends with 0 when the job was accepted"
        " (with --wait: finished), 1 when it failed, 2 when the input was wrong."
    )
    requires_system_checks = ()

    #: The live line as it stands, which is written again only when it changes.
    _shown = ""

    def add_arguments(self, parser: CommandParser) -> None:
        # Options may stand between the pairs, as people type them.
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        parser.add_argument("task", metavar="NAME")
        parser.add_argument("pairs", nargs="*", metavar="key=value")
        _add_options(parser)
        parser.add_argument(
            "--wait", action="store_true", help=_("wait until the job has ended")
        )
        parser.add_argument("--json", action="store_true", help=_("print JSON"))

    def handle(self, **options: Any) -> None:
        with command_errors():
            task = registry.get(options["task"])
            args = read_pairs(task, options["pairs"])
            given = {name: options[name] for name in OPTIONS}
            asked = {name: value for name, value in given.items() if value is not None}
            handle = submit(task, args, actor=cli_actor(), **asked)
            if not options["wait"]:
                self._tell_accepted(handle, as_json=options["json"])
                return
            try:
                self._wait(handle, as_json=options["json"])
            except KeyboardInterrupt:
                self.stderr.write(_("Job %(id)s goes on.") % {"id": handle.id})
                sys.exit(INTERRUPTED)

    def _tell_accepted(self, handle: Handle, *, as_json: bool) -> None:
        state = handle.state
        if as_json:
            self.stdout.write(to_json(_facts(handle, state)))
        elif handle.created:
            self.stdout.write(f"{handle.id}  {state.value}")
        else:
            said = _("was submitted before with this idempotency key")
            self.stdout.write(f"{handle.id}  {state.value}  ({said})")

    def _wait(self, handle: Handle, *, as_json: bool) -> None:
        while (state := handle.state) not in ENDED:
            self._show_progress(handle.id, state)
            time.sleep(LOOK_EVERY)
        self._show_line("")
        try:
            result = handle.result(RESULT_WITHIN)
        except JobFailed as failure:
            if as_json:
                facts = _facts(handle, State(failure.state))
                self.stdout.write(to_json(facts | {"error": failure.reason}))
            else:
                self.stderr.write(printable(str(failure)))
            sys.exit(FAILED)
        if as_json:
            self.stdout.write(to_json(_facts(handle, state) | {"result": result}))
        else:
            self.stdout.write(result if isinstance(result, str) else to_json(result))

    def _show_progress(self, job_id: str, state: State) -> None:
        if not self.stderr.isatty():
            return None
        try:
            progress = read_progress([job_id]).get(job_id)
        except BrokerUnavailable as error:
            return self._show_line(str(error))
        if progress is None:
            return self._show_line(f"{job_id}  {state.value}")
        done = f"{progress.done:,.12g}"
        total = f"/{progress.total:,.12g}" if progress.total else ""
        return self._show_line(f"{state.value}  {done}{total}  {progress.text}")

    def _show_line(self, text: str) -> None:
        if self.stderr.isatty() and text != self._shown:
            self._shown = text
            width = shutil.get_terminal_size().columns - 1
            line = f"\r\x1b[K{printable(text)[:width]}"
            self.stderr.write(line, style_func=str, ending="")
            self.stderr.flush()


def _add_options(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--id", help=_("a free id of your own"))
    add("--queue", help=_("another queue than the task's"))
    add("--delay", type=float, metavar="SECONDS", help=_("start so much later"))
    add("--at", type=_moment, help=_("start at this moment (ISO 8601, else UTC)"))
    add("--depends-on", action="extend", type=_words, metavar="ID[,ID]")
    add(
        "--allow-failure",
        action="store_const",
        const=True,
        help=_("run also when a job that it depends on fails"),
    )
    add("--retries", type=int, metavar="N")
    add("--backoff", type=float, metavar="SECONDS", help=_("before the first retry"))
    add("--timeout", type=int, metavar="SECONDS", help=_("-1 for none"))
    add("--tags", action="extend", type=_words, metavar="TAG[,TAG]")
    add(
        "--at-front",
        action="store_const",
        const=True,
        help=_("before what waits already"),
    )
    add("--idempotency-key", metavar="KEY", help=_("a repeat returns the first job"))
    add("--description", metavar="TEXT")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            _("write a moment like 2026-01-31T09:00+01:00")
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _facts(handle: Handle, state: State) -> dict[str, Any]:
    return {"id": handle.id, "state": state.value, "created": handle.created}
