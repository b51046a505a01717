"""What an operator may tell a worker: one function per verb, whichever door it came by.

Each asks for the permission, tells the worker, and writes one audit row. A worker obeys
within a moment; what it says of itself then changes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from tasks.broker import workers as broker_workers
from tasks.broker.workers import WorkerInfo
from tasks.errors import WorkerNotFound, WorkerNotListening
from tasks.models import Audit
from tasks.policy import Actor
from tasks.text import gettext as _
from tasks.text import gettext_noop, ngettext

#: What a worker was told, said to the person who told it.
SENTENCES: Mapping[str, str] = {
    "quiet": gettext_noop(
        "Worker %(name)s takes no more jobs; those that it runs go on."
    ),
    "wake": gettext_noop("Worker %(name)s takes jobs again."),
    "stop": gettext_noop(
        "Worker %(name)s stops: it takes no more jobs, lets those that it runs end"
        " within its grace and puts the rest back into their queues."
    ),
}


#: Who was told, in the audit, where it was every worker.
ALL = "*"


@dataclass(frozen=True)
class Told:
    """What a worker was told."""

    verb: str
    worker: WorkerInfo

    @property
    def sentence(self) -> str:
        return _(SENTENCES[self.verb]) % {"name": self.worker.name}


@dataclass(frozen=True)
class ToldAll:
    """What all workers were told, and how many heard it."""

    verb: str
    workers: int

    @property
    def sentence(self) -> str:
        if not self.workers:
            return _("No worker of Taskyard listens, so none was told.")
        return _all_sentence(self.verb, self.workers) % {"count": f"{self.workers:,}"}


def _all_sentence(verb: str, workers: int) -> str:
    if verb == "wake":
        return ngettext(
            "%(count)s worker takes jobs.", "%(count)s workers take jobs.", workers
        )
    return ngettext(
        "%(count)s worker takes no more jobs; those that it runs go on.",
        "%(count)s workers take no more jobs; those that they run go on.",
        workers,
    )


def legal_verbs(worker: WorkerInfo, now: datetime) -> tuple[str, ...]:
    """Return what the worker would obey as it is now."""
    if not worker.is_alive(now):
        return ()
    if not worker.is_ours:
        return ("stop",)
    return ("wake" if worker.is_quiet else "quiet", "stop")


def quiet(actor: Actor, name: str) -> Told:
    """Let a worker take no more jobs and finish those that it runs.

    Raises PermissionMissing, WorkerNotFound, WorkerNotListening and BrokerUnavailable.
    """
    actor.require("quiet")
    return _tell(actor, "quiet", name)


def wake(actor: Actor, name: str) -> Told:
    """Let a quiet worker take jobs again. Raises what `quiet` raises."""
    actor.require("wake")
    return _tell(actor, "wake", name)


def stop(actor: Actor, name: str) -> Told:
    """Let a worker end, as on SIGTERM. Raises what `quiet` raises."""
    actor.require("stop_worker")
    return _tell(actor, "stop", name)


def quiet_all(actor: Actor) -> ToldAll:
    """Let all workers of ours take no more jobs; those that start later do.

    Raises PermissionMissing and BrokerUnavailable.
    """
    actor.require("quiet")
    return _tell_all(actor, "quiet")


def wake_all(actor: Actor) -> ToldAll:
    """Let all quiet workers take jobs again. Raises what `quiet_all` raises."""
    actor.require("wake")
    return _tell_all(actor, "wake")


def _tell_all(actor: Actor, verb: str) -> ToldAll:
    with transaction.atomic():
        _audit(actor, verb, ALL)
        return ToldAll(verb, broker_workers.tell_all_workers(verb))


def _audit(actor: Actor, verb: str, target: str) -> None:
    Audit.objects.create(
        actor=actor.name, via=actor.via, verb=f"worker.{verb}", target=target
    )


def _tell(actor: Actor, verb: str, name: str) -> Told:
    worker = _find(name, verb)
    with transaction.atomic():
        _audit(actor, verb, name)
        if not broker_workers.tell_worker(name, verb):
            raise WorkerNotListening(name, _("It does not listen; try again."))
    return Told(verb, worker)


def _find(name: str, verb: str) -> WorkerInfo:
    """Return the worker, if it would hear and understand the verb."""
    worker, now = broker_workers.find_worker(name)
    if worker is None:
        nearest = difflib.get_close_matches(name, broker_workers.worker_names(), n=1)
        raise WorkerNotFound(name, nearest[0] if nearest else None)
    if not worker.is_alive(now):
        raise WorkerNotListening(name, _("It does not answer any more."))
    if not worker.is_ours and verb != "stop":
        raise WorkerNotListening(
            name, _("It is a stock RQ worker, which can only be stopped.")
        )
    return worker
