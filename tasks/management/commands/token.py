"""manage.py token NAME: make a token for the REST API, or revoke one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from tasks.management.terminal import BAD_INPUT, command_errors
from tasks.models import ApiToken, Audit
from tasks.policy import cli_actor
from tasks.text import gettext as _

LONGEST_NAME = 100


class Command(BaseCommand):
    help = _(
        "Make a bearer token for the REST API and print it; it is shown only once."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help=_("who or what will use the token")
        )
        act = parser.add_mutually_exclusive_group()
        act.add_argument(
            "--read-only",
            action="store_true",
            help=_("the token can look and change nothing"),
        )
        act.add_argument(
            "--revoke", action="store_true", help=_("end the token of this name")
        )

    def handle(self, *, name: str, **options: Any) -> None:
        with command_errors(), transaction.atomic():
            known = ApiToken.objects.filter(name=name)
            if options["revoke"]:
                if not known.delete()[0]:
                    raise _refusal(_("There is no token named %(name)s."), name)
                self._note("token.revoke", name)
                said = _("Token %(name)s is revoked.") % {"name": name}
                self.stdout.write(said)
            else:
                if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
                    said = _("NAME: 1 to 100 printable characters, not %(name)s.")
                    raise _refusal(said, repr(name))
                if known.exists():
                    said = _(
                        "There is a token named %(name)s: choose another name, or end"
                        " that one by --revoke first."
                    )
                    raise _refusal(said, name)
                token = ApiToken.issue(name, read_only=options["read_only"])
                self._note("token.issue", name)
                self.stdout.write(token)

    def _note(self, verb: str, name: str) -> None:
        actor = cli_actor()
        Audit.objects.create(
            actor=actor.name, via=actor.via, verb=verb, target=name, result="ok"
        )


def _refusal(sentence: str, name: str) -> CommandError:
    return CommandError(sentence % {"name": name}, returncode=BAD_INPUT)
