"""manage.py schedules: what runs by itself; making, changing and moving schedules."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tasks.management.backfill_verbs import add_backfill_verbs, run_backfill
from tasks.management.pairs import read_pairs
from tasks.management.schedule_imports import (
    add_import_options,
    run_import,
    tell_missing,
)
from tasks.management.schedule_lines import (
    as_table,
    describe,
    each_row,
    facts,
    next_of,
    outline,
    snapshot_or_none,
    upcoming_facts,
)
from tasks.management.schedule_options import add_field_options, values_from
from tasks.management.terminal import (
    FAILED,
    add_json_option,
    command_errors,
    printable,
    to_json,
)
from tasks.models import Schedule
from tasks.policy import cli_actor
from tasks.registry import registry
from tasks.schedules import definitions
from tasks.schedules.outlook import read_upcoming
from tasks.schedules.reports import (
    KINDS,
    ScheduleFilter,
    get_schedule,
    read_rows,
    read_schedule,
)
from tasks.schedules.sync import sync_declared
from tasks.schedules.transfer import export
from tasks.submission import Handle
from tasks.text import gettext as _
from tasks.text import gettext_noop

Options = Mapping[str, Any]

_JSON = gettext_noop("print a line of JSON for each schedule")

HELP = {
    "list": gettext_noop("list schedules, as without a verb"),
    "show": gettext_noop("tell all about a schedule"),
    "next": gettext_noop("list when it is due next"),
    "create": gettext_noop("make a schedule"),
    "set": gettext_noop("change a schedule"),
    "enable": gettext_noop("let a schedule run"),
    "disable": gettext_noop("let no job come of a schedule"),
    "run": gettext_noop(
        "submit a job of a schedule now, with other arguments if given"
    ),
    "delete": gettext_noop("delete a schedule; its jobs stay"),
    "reset": gettext_noop("take the code's values back, of some fields or of all"),
    "sync": gettext_noop(
        "bring what the code declares up to date, as the scheduler does"
    ),
    "export": gettext_noop("write schedules as YAML, all unless named"),
    "import": gettext_noop("read schedules from YAML or from other systems"),
    "backfill": gettext_noop("run moments of a schedule's past"),
}

#: Verbs whose only argument is a name.
_NAMED = ("show", "enable", "disable", "delete")

#: Verbs that tell JSON as well as text, beside the list.
_TELLING_JSON = ("show", "next", "create", "set", "enable", "disable", "run", "reset")


class Command(BaseCommand):
    help = _("List schedules; show, make, change, run, export or import them.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.set_defaults(json=False, text="", state="")
        _add_list_options(parser)
        verbs = parser.add_subparsers(dest="verb", metavar="|".join(HELP))
        parsers = {
            verb: verbs.add_parser(verb, help=_(text)) for verb, text in HELP.items()
        }
        _add_list_options(parsers["list"])
        for verb in _TELLING_JSON:
            add_json_option(parsers[verb], _JSON)
        for verb in (*_NAMED, "next", "create", "set", "run", "reset"):
            parsers[verb].add_argument("name", metavar="NAME")
        for verb in ("create", "set"):
            add_field_options(parsers[verb])
        parsers["create"].add_argument(
            "--disabled", action="store_true", help=_("do not let it run yet")
        )
        parsers["next"].add_argument("--count", type=int, default=5, metavar="N")
        parsers["run"].add_argument("pairs", nargs="*", metavar="key=value")
        parsers["reset"].add_argument("fields", nargs="*", metavar="FIELD")
        parsers["export"].add_argument("names", nargs="*", metavar="NAME")
        add_import_options(parsers["import"])
        add_backfill_verbs(parsers["backfill"])

    def handle(self, **options: Any) -> None:
        with command_errors():
            acts: dict[str | None, Callable[[Options], None]] = {
                None: self._list,
                "list": self._list,
                "show": self._show,
                "next": self._next,
                "create": self._create,
                "set": self._set,
                "enable": self._switch,
                "disable": self._switch,
                "run": self._run,
                "delete": self._delete,
                "reset": self._reset,
                "sync": self._sync,
                "export": self._export,
                "import": self._import,
                "backfill": lambda given: self._tell(run_backfill(given)),
            }
            acts[options["verb"]](options)

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _list(self, options: Options) -> None:
        wanted = ScheduleFilter(text=options["text"], kind=options["state"])
        rows = each_row(wanted, timezone.now())
        if options["json"]:
            self._tell(to_json(facts(row)) for row in rows)
        else:
            self._tell(as_table(rows))

    def _show(self, options: Options) -> None:
        schedule, now = get_schedule(options["name"]), timezone.now()
        if options["json"]:
            self._tell_json(schedule)
        else:
            self._tell(describe(read_schedule(schedule, snapshot_or_none(), now)))

    def _tell_json(self, schedule: Schedule) -> None:
        (row,) = read_rows([schedule], snapshot_or_none(), timezone.now())
        self.stdout.write(to_json(facts(row)))

    def _next(self, options: Options) -> None:
        count = max(1, min(options["count"], 1_000))
        schedule = get_schedule(options["name"])
        if options["json"]:
            upcoming = read_upcoming(schedule, timezone.now(), count)
            return self._tell(to_json(upcoming_facts(one)) for one in upcoming)
        return self._tell(next_of(schedule, timezone.now(), count))

    def _create(self, options: Options) -> None:
        values = values_from(options)
        if options["disabled"]:
            values["enabled"] = False
        self._changed(options, definitions.create(cli_actor(), options["name"], values))

    def _set(self, options: Options) -> None:
        name = options["name"]
        values = values_from(options, get_schedule(name).task)
        self._changed(options, definitions.change(cli_actor(), name, values))

    def _switch(self, options: Options) -> None:
        is_on = options["verb"] == "enable"
        schedule = definitions.set_enabled(cli_actor(), options["name"], is_on)
        self._changed(options, schedule)

    def _reset(self, options: Options) -> None:
        name, fields = options["name"], options["fields"]
        self._changed(options, definitions.reset(cli_actor(), name, fields))

    def _changed(self, options: Options, schedule: Schedule) -> None:
        if options["json"]:
            return self._tell_json(schedule)
        return self._tell(outline(schedule, timezone.now()))

    def _run(self, options: Options) -> None:
        name, args = options["name"], None
        if options["pairs"]:
            task = registry.get(get_schedule(name).task)
            args = read_pairs(task, options["pairs"])
        job = definitions.run_now(cli_actor(), name, args)
        state = Handle(job.id).state.value
        told = {"id": job.id, "state": state}
        line = to_json(told) if options["json"] else f"{job.id}  {state}"
        self.stdout.write(line)

    def _delete(self, options: Options) -> None:
        definitions.delete(cli_actor(), options["name"])
        self.stdout.write(
            _("Schedule %(name)s is deleted.") % {"name": options["name"]}
        )

    def _sync(self, _options: Options) -> None:
        synced = sync_declared()
        signs = {
            "+": synced.made,
            "~": [*synced.changed, *synced.back],
            "-": synced.gone,
            "?": synced.unknown,
        }
        self._tell(f"{sign} {name}" for sign in signs for name in signs[sign])
        for name, problem in synced.problems.items():
            self.stderr.write(printable(f"{name}: {problem}"))

    def _export(self, options: Options) -> None:
        self.stdout.write(export(options["names"]), ending="")

    def _import(self, options: Options) -> None:
        outcome = run_import(options)
        self._tell(outcome.lines)
        for problem in outcome.problems:
            self.stderr.write(printable(problem))
        if outcome.problems:
            raise CommandError(tell_missing(len(outcome.problems)), returncode=FAILED)


def _add_list_options(parser: CommandParser) -> None:
    add_json_option(parser, _JSON)
    add = parser.add_argument
    add("--text", default=SUPPRESS, help=_("part of a name or a task's"))
    add("--state", choices=KINDS, default=SUPPRESS, help=_("only those that are so"))
