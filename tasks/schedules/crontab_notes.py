"""What will be different for a crontab's entry once it is a schedule."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.schedules.crontab_commands import passed_names
from tasks.text import gettext as _


def notes_for(user: str, zone: str, env: Mapping[str, str]) -> list[str]:
    """Return a sentence for each difference that somebody could miss."""
    facts = {
        "user": user,
        "mail": env.get("MAILTO", ""),
        "delay": env.get("RANDOM_DELAY", ""),
        "zone": zone if env.get("TZ", "").lstrip(":") == zone else "",
        "names": ", ".join(passed_names(env)),
    }
    texts = {
        "user": _("Cron ran it as %(user)s; the workers run it as their own user."),
        "mail": _("Cron mailed its output to %(mail)s; here it stays with the job."),
        "delay": _("Cron delayed it by up to %(delay)s minutes: give it a jitter."),
        "zone": _(
            "TZ=%(zone)s is taken for its times as well, which some crons do and others"
            " do not: check its zone."
        ),
        "names": _(
            "Its variables (%(names)s) become arguments, which everybody can read who"
            " may see the schedule."
        ),
    }
    return [texts[fact] % facts for fact in texts if facts[fact]]
