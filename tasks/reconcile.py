"""Comparing ledger and broker both ways, a page at a time, and mending what differs.

What looks wrong is looked at a second time, when all that Redis had told by the first look
is in the ledger: only what stayed the same is judged (comparison.py) and put right
(mending.py). Any number of schedulers may do so at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from tasks.broker import reconcile as broker
from tasks.broker import upkeep
from tasks.broker.losses import left_by_stock_workers
from tasks.broker.places import Places, count_parts, delayed_until, without_hash
from tasks.broker.witness import place_witness, trust_witness
from tasks.comparison import Delays, Row, Suspect, Verdict, judge
from tasks.epoch import is_doubted, note_end, read_epoch, take_turn
from tasks.job_reports import list_names
from tasks.mending import mend
from tasks.models import Job, JobQuerySet
from tasks.orphans import close_orphans
from tasks.states import ENDED, State

#: Rows that one step reads.
PAGE = 1_000

#: Suspects that one step judges and mends, and that are kept in mind at most.
AT_ONCE = 200
MOST_SUSPECTS = 20_000

#: Pages of ids that one step looks through for strangers.
PAGES = 10

#: Time between looks at whether Redis lost data.
WATCH_EVERY = timedelta(seconds=1)

#: How long the recorders may take to come as far as the first look.
PATIENCE = timedelta(seconds=60)

#: The order in which jobs are compared.
OPEN = (State.QUEUED, State.SCHEDULED, State.DEFERRED, State.CREATED, State.STARTED)


@dataclass
class Reconciler:
    """Compares in small steps, when it is this process's turn."""

    clock: Callable[[], datetime] = timezone.now
    delays: Delays = field(default_factory=Delays)
    _steps: Iterator[None] | None = None
    _watched_at: datetime | None = None
    #: The epoch and the run of Redis when it was last watched.
    _known: tuple[str, str] = ("", "")

    def step(self) -> None:
        """Do the next bit of work, if there is any.

        Raises BrokerUnavailable and DatabaseError; a comparison then ends half-way.
        """
        if self._steps is None and self._is_my_turn():
            self._steps = Comparison(self.clock, self.delays).run()
        if self._steps is not None:
            steps, self._steps = self._steps, None
            for _pause in steps:
                self._steps = steps
                return

    def _is_my_turn(self) -> bool:
        now = self.clock()
        if self._watched_at and now - self._watched_at < WATCH_EVERY:
            return False
        self._watched_at = now
        _row, mark = read_epoch()
        seen = (mark.epoch, mark.server)
        is_taken = take_turn(now, hurries=seen != self._known)
        if is_taken:
            self._known = seen
        return is_taken


@dataclass
class Comparison:
    """One comparison of everything that is to run, from its beginning to its end."""

    clock: Callable[[], datetime]
    delays: Delays
    places: Places = field(default_factory=Places)
    mended: int = 0
    #: Whether everything that looked wrong could be judged.
    settled: bool = True
    _suspects: list[Suspect] = field(default_factory=list)
    #: The queues of open jobs, and those on RQ's list of them.
    _queues: set[str] = field(default_factory=set)
    _listed: set[str] = field(default_factory=set)

    def run(self) -> Iterator[None]:
        """Do it; gives way after each piece of a few milliseconds."""
        row, mark = read_epoch()
        place_witness()
        looks_at_all = is_doubted(row, mark)
        self._listed = set(upkeep.queue_names())
        queues = sorted(self._listed.union(list_names("queue")))
        parts = count_parts(queues)
        for part in range(parts):
            self.places = Places(part, parts)
            yield from self._run_part(queues, looks_at_all=looks_at_all)
        yield from self._meet(left_by_stock_workers(queues))
        yield from self._judge_suspects()
        if looks_at_all:
            yield from close_orphans(self.clock())
        self._forget_dropped_entries()
        if self.settled:
            trust_witness()
        note_end(mark, settled=self.settled, quiet=not self.mended)

    def _run_part(self, queues: Sequence[str], *, looks_at_all: bool) -> Iterator[None]:
        yield from self.places.read(queues)
        for state in OPEN:
            yield from self._walk(state, looks_at_all=looks_at_all)
        broker.note_queues(sorted(self._queues - self._listed))
        for number, ids in enumerate(self.places.strangers(queues), 1):
            yield from self._meet(ids)
            if number % PAGES == 0:
                yield
        if looks_at_all:
            yield from self._meet(self.places.running_strangers())
        yield from self._judge_suspects()

    # The first look.

    def _walk(self, state: State, *, looks_at_all: bool) -> Iterator[None]:
        """Compare the rows of one state, oldest first."""
        for page in _pages(state):
            self._queues.update(row.queue for row in page)
            if rows := [row for row in page if self.places.covers(row.id)]:
                self._compare(rows, looks_at_all=looks_at_all)
            if len(self._suspects) >= MOST_SUSPECTS:
                yield from self._judge_suspects()
            yield

    def _compare(self, rows: Sequence[Row], *, looks_at_all: bool) -> None:
        """Look at those rows that are not in the place where their state says."""
        queued = {row.id for row in rows if row.id in self.places.queued}
        placed = [row.id for row in rows if self.places.take(row.id, row.state)]
        sound = set(placed) - without_hash(placed)
        is_deferred = rows[0].state == State.DEFERRED
        unblocked = _unblocked([row.id for row in rows]) if is_deferred else set()
        moved = _moved(rows)
        sound -= unblocked | moved
        odd = [row for row in rows if looks_at_all or row.id not in sound]
        self._look({row.id: row for row in odd}, queued, unblocked, moved)

    def _look(
        self,
        rows: dict[str, Row | None],
        queued: Collection[str] = (),
        unblocked: Collection[str] = (),
        moved: Collection[str] = (),
    ) -> None:
        looked_at, held = broker.server_time(), self.places.held
        asked = [
            (job_id, row.queue if row else "", held.get(job_id, ""))
            for job_id, row in rows.items()
        ]
        sights = broker.look(asked)
        for (job_id, row), sight in zip(rows.items(), sights, strict=True):
            signs = (job_id in queued, job_id in unblocked, job_id in moved)
            found = Suspect(job_id, row, sight, looked_at, *signs)
            if judge(found, is_doubted=False):
                self._suspects.append(found)

    def _meet(self, strangers: Sequence[str]) -> Iterator[None]:
        """Look at jobs that are to run by Redis, and of which no open row told."""
        for start in range(0, len(strangers), AT_ONCE):
            ids = strangers[start : start + AT_ONCE]
            known = _rows(ids)
            rows = {job_id: known.get(job_id) for job_id in ids}
            # A row that is open has changed since its page was read.
            self._look(
                {i: row for i, row in rows.items() if not row or row.state in ENDED}
            )
            if len(self._suspects) >= MOST_SUSPECTS:
                yield from self._judge_suspects()
            yield

    # The second.

    def _judge_suspects(self) -> Iterator[None]:
        suspects, self._suspects = self._suspects, []
        for delay in sorted(set(self.delays)):
            due = [one for one in suspects if one.delay(self.delays) == delay]
            for start in range(0, len(due), AT_ONCE):
                portion = due[start : start + AT_ONCE]
                is_time = yield from self._await(portion[-1].looked_at + delay)
                if not is_time:
                    self.settled = False
                    return
                self._judge(portion)
                yield

    def _await(self, moment: datetime) -> Generator[None, None, bool]:
        """Wait until all that happened by then is recorded; say whether it is."""
        began_at = self.clock()
        while upkeep.recorded_until() < moment:
            if self.clock() - began_at > PATIENCE:
                return False
            yield
        return True

    def _judge(self, suspects: Sequence[Suspect]) -> None:
        rows = _rows([suspect.id for suspect in suspects])
        sights = broker.look(
            [(one.id, one.queue, one.sight.execution) for one in suspects]
        )
        # Read last: whatever is gone by now, a loss was before.
        doubted = is_doubted(*read_epoch())
        found: dict[Verdict, list[Suspect]] = defaultdict(list)
        for suspect, sight in zip(suspects, sights, strict=True):
            if rows.get(suspect.id) != suspect.row or sight != suspect.sight:
                self.settled &= bool(sight.status)
            elif verdict := judge(suspect, is_doubted=doubted):
                found[verdict].append(suspect)
        for verdict, group in found.items():
            done = mend(verdict, group)
            self.mended += done
            # While Redis is full nothing can be restored.
            self.settled &= bool(done) or verdict != Verdict.RESTORE

    def _forget_dropped_entries(self) -> None:
        """Forget dropped entries of jobs that are not to run any more."""
        ids = broker.dropped_entries()
        rows = _rows(ids)
        ended = [i for i in ids if i not in rows or rows[i].state in ENDED]
        broker.forget_dropped(ended)


def _pages(state: State) -> Iterator[list[Row]]:
    jobs = Job.objects.in_state(state).order_by("created_at", "id")
    rows = _read(jobs[:PAGE])
    while rows:
        yield rows
        last = rows[-1]
        rows = _read(jobs.after(last.created_at, last.id)[:PAGE])


def _rows(job_ids: Sequence[str]) -> dict[str, Row]:
    return {row.id: row for row in _read(Job.objects.filter(pk__in=job_ids))}


def _read(jobs: JobQuerySet) -> list[Row]:
    return [Row(*values) for values in jobs.values_list(*Row._fields)]


def _unblocked(job_ids: Sequence[str]) -> set[str]:
    found = Job.objects.unblocked().filter(pk__in=job_ids)
    return set(found.values_list("id", flat=True))


def _moved(rows: Sequence[Row]) -> set[str]:
    """Return the delayed jobs that rq-scheduler's clients gave another moment."""
    if rows[0].state != State.SCHEDULED:
        return set()
    due = delayed_until([row.id for row in rows])
    return {row.id for row in rows if row.id in due and row.is_moved_to(due[row.id])}
