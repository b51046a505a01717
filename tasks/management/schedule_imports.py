"""`manage.py schedules import …`: what is found elsewhere, what it changes, and doing it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from tasks.broker.stock_entries import remove_entry
from tasks.errors import InvalidOption
from tasks.management.terminal import printable
from tasks.policy import cli_actor
from tasks.schedules.differences import Diff, Verb
from tasks.schedules.documents import load
from tasks.schedules.fields import default_zone
from tasks.schedules.foreign import (
    Found,
    find_in_crontab,
    find_in_rq_cron,
    find_in_rq_scheduler,
    machine_zone,
)
from tasks.schedules.foreign_names import with_names
from tasks.schedules.transfer import apply, propose
from tasks.schedules.zones import zone_named
from tasks.text import gettext as _
from tasks.text import ngettext

CRONTAB, RQ_SCHEDULER, DJANGO_RQ = "crontab", "rq-scheduler", "django-rq"
YAML = "YAML"

#: Options that only some sources take.
_TAKEN_BY = {
    "prune": (YAML,),
    "zone": (CRONTAB, RQ_SCHEDULER),
    "system": (CRONTAB,),
    "trust_pickle": (RQ_SCHEDULER,),
    "file": (CRONTAB, DJANGO_RQ),
}

#: Bytes of a file that is read.
MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Outcome:
    """What to tell: for standard output, for standard error, and whether all went in."""

    lines: tuple[str, ...]
    problems: tuple[str, ...] = ()


def add_import_options(parser: CommandParser) -> None:
    add = parser.add_argument
    sources = f"FILE|{CRONTAB}|{RQ_SCHEDULER}|{DJANGO_RQ}"
    add("source", metavar=sources, help=_("a YAML document; - reads standard input"))
    add(
        "file",
        nargs="?",
        default="",
        metavar="FILE",
        help=_("the crontab; for django-rq, the module or file that rqcron is given"),
    )
    add("--dry-run", action="store_true", help=_("only tell what would change"))
    add(
        "--prune",
        action="store_true",
        help=_("delete schedules that the YAML document does not name"),
    )
    add(
        "--zone",
        default="",
        help=_("the time zone of the machine that ran them"),
    )
    add(
        "--system",
        action="store_true",
        help=_("the crontab names a user before each command"),
    )
    add(
        "--trust-pickle",
        action="store_true",
        help=_("load pickled entries, which lets whoever wrote them run any code"),
    )


def run_import(options: Mapping[str, Any]) -> Outcome:
    """Import, or tell what an import would do. Raises InvalidOption."""
    source, is_dry = options["source"], options["dry_run"]
    is_foreign = source in (CRONTAB, RQ_SCHEDULER, DJANGO_RQ)
    _check_options(source if is_foreign else YAML, options)
    if not is_foreign:
        return _import_document(_read(source), prune=options["prune"], is_dry=is_dry)
    found = with_names(_find(source, options))
    if not found:
        return Outcome((_nothing(source, options),))
    return _import_found(found, is_dry=is_dry)


def _check_options(source: str, options: Mapping[str, Any]) -> None:
    """Refuse what would have no effect: somebody expects one."""
    for name, sources in _TAKEN_BY.items():
        if options[name] and source not in sources:
            option = "FILE" if name == "file" else f"--{name.replace('_', '-')}"
            problem = _("is for these only: %(sources)s")
            raise InvalidOption(option, problem % {"sources": ", ".join(sources)})
    if options["zone"]:
        zone_named(options["zone"])


def _nothing(source: str, options: Mapping[str, Any]) -> str:
    if source == DJANGO_RQ and not options["file"]:
        return _("No rqcron runs now: name the module or file that it is given.")
    return _("Nothing to import was found.")


def _import_document(text: str, *, prune: bool, is_dry: bool) -> Outcome:
    wanted = load(text)
    if not is_dry:
        return Outcome(tuple(_tell(apply(cli_actor(), wanted, prune=prune))))
    proposal = propose(wanted, prune=prune)
    lines = tuple(_tell(proposal.diff, is_dry=True))
    return Outcome(lines, tuple(map(str, proposal.refusals)))


def _find(source: str, options: Mapping[str, Any]) -> list[Found]:
    if source == CRONTAB:
        if not options["file"]:
            raise InvalidOption("FILE", _("name the crontab; - reads standard input"))
        zone = options["zone"] or machine_zone()
        text = _read(options["file"])
        return find_in_crontab(text, system=options["system"], zone=zone)
    if source == RQ_SCHEDULER:
        zone = options["zone"] or default_zone()
        return find_in_rq_scheduler(trust_pickle=options["trust_pickle"], zone=zone)
    return find_in_rq_cron(options["file"])


def _import_found(found: Sequence[Found], *, is_dry: bool) -> Outcome:
    """Import what can be: one that cannot keeps no other from it."""
    good = [one for one in found if one.definition is not None and not one.problem]
    proposal = propose([one.definition for one in good if one.definition])
    refused = {refusal.name: refusal.reason for refusal in proposal.refusals}
    taken = [one for one in good if _name(one) not in refused]
    problems = [_problem(one, refused) for one in found if one not in taken]
    if is_dry:
        lines = [*_tell(proposal.diff, is_dry=True), *_notes(taken)]
        return Outcome(tuple(lines), tuple(problems))
    done = apply(cli_actor(), [one.definition for one in taken if one.definition])
    # Only now that they are saved: whoever is stopped before imports the same again.
    for one in taken:
        if one.entry_id:
            remove_entry(one.entry_id)
    return Outcome((*_tell(done), *_notes(taken)), tuple(problems))


def _name(found: Found) -> str:
    return str(found.definition["name"]) if found.definition else found.source


def _problem(found: Found, refused: Mapping[str, str]) -> str:
    reason = found.problem or refused[_name(found)]
    text = _("not imported: %(source)s: %(reason)s")
    return text % {"source": found.source, "reason": reason}


def _notes(found: Sequence[Found]) -> Iterator[str]:
    for one in found:
        yield from (printable(f"! {_name(one)}: {note}") for note in one.notes)


def _tell(diff: Diff, *, is_dry: bool = False) -> Iterator[str]:
    yield from map(printable, diff.lines())
    counts: tuple[tuple[Verb, str], ...] = (
        ("create", _("%(count)s to create") if is_dry else _("%(count)s created")),
        ("change", _("%(count)s to change") if is_dry else _("%(count)s changed")),
        ("delete", _("%(count)s to delete") if is_dry else _("%(count)s deleted")),
        ("same", _("%(count)s the same")),
        ("past", _("%(count)s left out, as all their moments are past")),
    )
    found = [(diff.count(verb), text) for verb, text in counts]
    shown = found if found[-1][0] else found[:-1]
    yield ", ".join(text % {"count": f"{number:,}"} for number, text in shown)


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read(MOST_BYTES + 1) if name == "-" else _bytes(name)
        if len(data) > MOST_BYTES:
            raise InvalidOption("FILE", _("is larger than 16 MB"))
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = _("%(file)s cannot be read: %(reason)s")
        facts = {"file": name, "reason": getattr(error, "strerror", None) or error}
        raise InvalidOption("FILE", problem % facts) from error


def _bytes(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES + 1)


def tell_missing(count: int) -> str:
    """Return the last line where not everything went in."""
    text = ngettext(
        "%(count)s schedule was not imported.",
        "%(count)s schedules were not imported.",
        count,
    )
    return text % {"count": f"{count:,}"}
