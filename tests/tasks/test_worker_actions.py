from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from tasks import worker_actions
from tasks.broker import workers as broker_workers
from tasks.errors import (
    BrokerUnavailable,
    PermissionMissing,
    WorkerNotFound,
    WorkerNotListening,
)
from tasks.models import Audit
from tasks.policy import PERMISSIONS, Actor
from tasks.worker_actions import (
    Told,
    ToldAll,
    legal_verbs,
    quiet,
    quiet_all,
    stop,
    wake,
    wake_all,
)
from tests.listening import Hear, listening, register
from tests.snapshots import make_worker

pytestmark = pytest.mark.django_db

MARA = Actor("mara", "web", frozenset({PERMISSIONS["quiet"]}))
Act = Callable[[Actor, str], Told]
ACTS = [quiet, wake, stop]


@pytest.fixture
def hear() -> Iterator[Hear]:
    """Have a worker w1 that lives and listens."""
    register("w1")
    with listening("w1") as heard:
        yield heard


@pytest.mark.parametrize(
    ("act", "command", "sentence"),
    [
        (quiet, "quiet", "Worker w1 takes no more jobs; those that it runs go on."),
        (wake, "wake", "Worker w1 takes jobs again."),
        (stop, "shutdown", "Worker w1 stops: it takes no more jobs"),
    ],
)
def test_a_worker_is_told_and_it_is_written_down(
    hear: Hear, act: Act, command: str, sentence: str
) -> None:
    told = act(MARA, "w1")
    assert told.sentence.startswith(sentence)
    assert hear()[1]["command"] == command
    entry = Audit.objects.get()
    assert (entry.verb, entry.target) == (f"worker.{told.verb}", "w1")
    assert (entry.actor, entry.via) == ("mara", "web")


@pytest.mark.parametrize("act", ACTS)
def test_it_needs_the_permission(hear: Hear, act: Act) -> None:
    with pytest.raises(PermissionMissing):
        act(Actor("vera", "web", frozenset({PERMISSIONS["view"]})), "w1")
    assert not Audit.objects.exists()


@pytest.mark.parametrize("act", ACTS)
def test_an_unknown_worker_is_refused_with_the_nearest(hear: Hear, act: Act) -> None:
    with pytest.raises(WorkerNotFound) as caught:
        act(MARA, "w11")
    assert str(caught.value) == "There is no worker w11. Did you mean w1?"


@pytest.mark.parametrize("act", ACTS)
def test_a_lost_worker_cannot_be_told(act: Act) -> None:
    register("w1", silent_for=60)
    with listening("w1"), pytest.raises(WorkerNotListening) as caught:
        act(MARA, "w1")
    assert str(caught.value) == (
        "Worker w1 cannot be told. It does not answer any more."
    )


@pytest.mark.parametrize("act", ACTS)
def test_one_that_does_not_listen_was_not_told(act: Act) -> None:
    register("w1")
    with pytest.raises(WorkerNotListening):
        act(MARA, "w1")
    assert not Audit.objects.exists()


def test_a_stock_worker_can_only_be_stopped() -> None:
    register("w1", version="2.12.0")
    with listening("w1") as hear:
        for act in (quiet, wake):
            with pytest.raises(WorkerNotListening):
                act(MARA, "w1")
        stop(MARA, "w1")
        assert hear()[1] == {"command": "shutdown"}


def test_while_redis_is_away_nothing_is_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_facts: object) -> bool:
        raise BrokerUnavailable("refused")

    register("w1")
    monkeypatch.setattr(broker_workers, "tell_worker", fail)
    with pytest.raises(BrokerUnavailable):
        quiet(MARA, "w1")
    assert not Audit.objects.exists()


def test_what_a_worker_would_obey_depends_on_how_it_is() -> None:
    now = timezone.now()
    assert legal_verbs(make_worker(), now) == ("quiet", "stop")
    assert legal_verbs(make_worker(quiet_since=now), now) == ("wake", "stop")
    assert legal_verbs(make_worker(version="2.12.0"), now) == ("stop",)
    assert legal_verbs(make_worker(silent_for=60), now) == ()


def test_every_verb_has_a_sentence() -> None:
    verbs = {act.__name__ for act in ACTS}
    assert verbs == set(worker_actions.SENTENCES)


@pytest.mark.parametrize(
    ("act", "verb", "sentence"),
    [
        (quiet_all, "quiet", "2 workers take no more jobs; those that they run go on."),
        (wake_all, "wake", "2 workers take jobs."),
    ],
)
def test_all_workers_are_told_by_one_word_and_one_row(
    act: Callable[[Actor], ToldAll], verb: str, sentence: str
) -> None:
    with listening("w1") as first, listening("w2") as second:
        told = act(MARA)
        assert [hear()[1] for hear in (first, second)] == [{"command": verb}] * 2
    assert (told.workers, told.sentence) == (2, sentence)
    entry = Audit.objects.get()
    assert (entry.verb, entry.target) == (f"worker.{verb}", "*")
    assert (entry.actor, entry.via) == ("mara", "web")


@pytest.mark.parametrize("act", [quiet_all, wake_all])
def test_telling_all_needs_the_permission(
    hear: Hear, act: Callable[[Actor], ToldAll]
) -> None:
    with pytest.raises(PermissionMissing):
        act(Actor("vera", "web", frozenset({PERMISSIONS["view"]})))
    assert not Audit.objects.exists()


def test_nobody_hears_what_all_are_told() -> None:
    assert "none was told" in quiet_all(MARA).sentence
