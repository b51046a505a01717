"""R28: the engine does what a small model of it says, whatever the order of the acts."""

from __future__ import annotations

from benchmarks.faults.catalog import Trial, scenario


@scenario("R28", "any acts in any order, compared with a model", takes=300)
def compare_with_model(trial: Trial) -> None:
    # Once Django is set up.
    from benchmarks.faults.machine.exploration import explore, machine

    steps, differences = trial.choose(20_000, 2_000), 0
    with machine() as made:
        try:
            explore(made, steps, trial.dice.getrandbits(32))
        except AssertionError as difference:
            differences = 1
            told = [str(difference), *getattr(difference, "__notes__", ())]
            trial.facts["the shortest way to a difference"] = "\n".join(told)
        trial.ask("steps", "≥", steps, made.steps)
        trial.facts["changes seen"] = dict(made.changes.most_common())
    trial.ask("differences from the model", "≤", 0, differences)
