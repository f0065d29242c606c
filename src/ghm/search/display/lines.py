"""The search's messages: one line per event, as the documentation has them."""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TextIO

from ghm.errors import shown
from ghm.io.platforms import usable_cores
from ghm.io.text import WIDTH, percent_text, table_lines
from ghm.search.decisions.selection import Decision
from ghm.search.display.observer import Observer, Plan
from ghm.search.display.time_left import duration
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration
from ghm.search.settings.config import RANK_WORDS, SearchConfig
from ghm.search.settings.configurations import written
from ghm.search.settings.trial_numbering import TrialNumbering, places
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.trial import Trial
from ghm.training.logging.progress import number

MANY = 20
"""Configurations that a message names."""


class PlainObserver(Observer):
    """Prints one line per event.

    Args:
        stream: where to; default: standard output.
    """

    name = "the messages"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._state: SearchState | None = None

    def search_started(self, plan: Plan, state: SearchState) -> None:
        """Say what is about to run."""
        self._state = state
        for note in plan.notes:
            self._print(note)
        self._print(plan_text(plan))

    def joined(self, plan: Plan, results: SearchState, running: Iterable[Trial]) -> None:  # noqa: ARG002  (the interface's)
        """Take over from a display that failed."""
        self._state = results

    def decided(self, decision: Decision) -> None:
        """Say which configurations are promoted at a rung or confirmed; proposals are seen from their trials."""
        if text := decision_text(decision):
            self._print(text)

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts."""
        self._print(f"{trial.label} {self._starting(trial)}{self._instance(trial)}...")

    def _starting(self, trial: Trial) -> str:
        """That training starts, or where it continues."""
        if not trial.checkpoint.is_file():
            return "Starting training"
        known = {} if self._state is None else self._state.by_number
        done = known[trial.number].iterations if trial.number in known else 0
        return f"Continues training from iteration {done}" if done else "Continues training"

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
        """Say how a trial ended, and what is the best so far."""
        if outcome.note:
            self._print(f"{trial.label} {outcome.note}")
        self._print(f"{trial.label} {outcome_text(outcome, self._instance(trial))}")
        self._say_best()

    def _say_best(self) -> None:
        """What is the best so far, on a line of its own: together with the trial's end it would be wider than a terminal."""
        best = None if self._state is None else self._state.best_configuration
        if best is not None:
            self._print(best_text(best))

    def _instance(self, trial: Trial) -> str:
        """What the trial is one of, where there are several of a configuration."""
        if trial.stage == "explore" and (self._state is None or self._state.n_instances == 1):
            return ""
        on = "" if trial.calibration is None else f", {trial.calibration}"
        return f" (configuration {trial.configuration}, seed {trial.config.seed}{on})"

    def stopping(self) -> None:
        """Say that the search waits for its trials."""
        self._print("Stopping: trials write their checkpoints... (once more to stop at once)")

    def _print(self, text: str) -> None:
        print(shown(text), file=self._stream or sys.stdout, flush=True)


def plan_text(plan: Plan) -> str:
    """The plan in one line."""
    config = plan.config
    done = plan.n_trials - plan.n_pending
    kept = f" ({done} done, {plan.n_pending} to run)" if done else ""
    workers = f"{config.n_workers} worker{'s' if config.n_workers > 1 else ''}"
    return (
        f"{config.method.title}: {_trials_text(plan)}{kept} x {config.n_iterations} iterations, "
        f"{workers}, into {plan.results_dir}"
    )


def _trials_text(plan: Plan) -> str:
    """How many trials there are, and what makes them so many."""
    config, numbering = plan.config, plan.numbering
    text = f"{plan.n_trials} trials"
    if numbering is None or (numbering.most_instances == 1 and not config.rungs and not config.confirm):
        return text
    factors = [
        f"{numbering.n_configurations} configurations",
        f"{config.n_seeds} seed{'s' if config.n_seeds > 1 else ''}",
    ]
    factors += [f"{len(numbering.calibrations)} calibrations"] if numbering.calibrations else []
    parts = [" x ".join(factors)]
    most = "at most " if config.race else ""
    parts += [f"{most}{numbering.n_confirmed} for the confirmation"] if config.confirm else []
    parts += filter(None, (_extent_text(numbering, at) for at in range(len(numbering.extents))))
    return f"{text} ({'; '.join(parts)})"


def _extent_text(numbering: TrialNumbering, at: int) -> str:
    """How many configurations of a group are promoted, or get more seeds."""
    extent, config, group = numbering.extents[at], numbering.config, numbering.group(at)
    if numbering.adds_seeds(at):
        which = "all" if extent.top is None else f"the best {extent.top}"
        return f"{which} that are trained to the end on {extent.n_seeds} seeds"
    if not extent.rungs or not group:
        return ""
    going = len(group)
    counts = [str(going := places(config.keep, going)) for _ in extent.rungs]
    which = f" of {group.start} to {group.stop - 1}" if len(numbering.extents) > 1 else ""
    rungs = " and ".join(map(str, extent.rungs))
    return f"the best {100 * config.keep:g}%{which} are promoted at {rungs} iterations: {' and '.join(counts)}"


def machine_notes(config: SearchConfig, n_gpus: int) -> list[str]:
    """What the user should know of this machine's cores, and of the GPUs that are shared out."""
    notes, cores = [], usable_cores()
    if config.n_workers * config.n_threads > cores:
        threads = f" x {config.n_threads} threads" if config.n_threads > 1 else ""
        notes.append(
            f"Warning: {config.n_workers} workers{threads} share {cores} core{'s' if cores > 1 else ''}: trials are "
            f"simulated on the processor, so more than --n_workers {max(cores // config.n_threads, 1)} takes memory "
            "and saves no time."
        )
    if config.n_threads > 1:
        notes.append("With --n_threads above 1 each trial is started from nothing, which takes a few seconds.")
    if n_gpus > 1 and config.n_workers < n_gpus:
        notes.append(f"{n_gpus} GPUs are there; --n_workers {n_gpus} would use all of them.")
    return notes


def trials_table(trials: Sequence[Trial]) -> list[str]:
    """Lines that describe trials before they run: one column per trial, one row per hyperparameter."""
    chosen = [vars(trial.hyperparameters) for trial in trials]
    rows = [
        ("trial", *(str(trial.number) for trial in trials)),
        ("seed", *(str(trial.config.seed) for trial in trials)),
        *(
            [("calibration", *(str(one.calibration) for one in trials))]
            if any(one.calibration for one in trials)
            else []
        ),
        *((name, *(written(values.get(name)) for values in chosen)) for name in dict.fromkeys(chain(*chosen))),
    ]
    return table_lines(*rows) if trials else []


def fitting(trials: Sequence[Trial]) -> Sequence[Trial]:
    """The first of these trials, as many as their table has room for on a terminal, at least one."""
    lines = ((n, trials_table(trials[:n])) for n in range(len(trials), 1, -1))
    return trials[: next((n for n, table in lines if max(map(len, table)) <= WIDTH), 1)]


def decision_text(decision: Decision) -> str:
    """A cut or a choice in one line; nothing for a proposal."""
    if decision.kind == "cut":
        going = decision.content["go_on"]
        shown = ", ".join(map(str, going[:MANY])) + (" …" if len(going) > MANY else "")
        rung, total = decision.subject["rung"], decision.content["of"]
        return f"[Rung {rung}] {len(going)} of {total} configurations promoted: {shown or 'none'}"
    if decision.kind == "growth" and "chosen" in decision.content:
        again = ", ".join(str(one) for one, _ in decision.content["chosen"][:MANY]) or "none"
        return f"[Growth] trained on {decision.content['seeds']} seeds: configurations {again}"
    if decision.kind == "confirmation":
        chosen = [str(one) for one, _ in decision.content["chosen"]]
        seeds, again = len(decision.content["seeds"]), ", ".join(chosen) or "none"
        return f"[Confirmation] trained again on {seeds} fresh seeds: configurations {again}"
    if decision.kind == "race":
        return f"[Race] {race_text(decision)}"
    return ""


def race_text(decision: Decision) -> str:
    """What was decided at a look of a race, in one line."""
    content, more = decision.content, len(decision.content["next"])
    going, total = ", ".join(map(str, content["go_on"])), len(content["compared"]) + 1
    what = f"{going} won, and has {more} more for its value" if content["final"] else f"{going} have {more} more"
    return f"after {decision.subject['seeds']} seeds of {total} configurations: {what}"


def outcome_text(outcome: TrialRecord, instance: str = "") -> str:
    """How a trial ended, in one line."""
    reached = reached_text(outcome.best_return, outcome.captured_value)
    if outcome.status is TrialState.PAUSED:
        return f"Paused at rung {outcome.iterations}{instance}: {reached}"
    if not outcome.success:
        return f"{outcome.status} after {duration(outcome.seconds)}{instance}: {outcome.error} (log: {outcome.log})"
    return f"Completed in {duration(outcome.seconds)}{instance}: {reached}"


def best_text(best: BestConfiguration) -> str:
    """The best so far, as every display says it: its one trial, or what ranks its several."""
    if best.basis == "trial":
        return f"best so far: trial {best.trial.trial_num}, {reached_text(best.trial.best_return, best.captured_value)}"
    captured, words = best.captured_value, RANK_WORDS[best.by]
    figure = f"firm value {number(best.figure)}" if captured is None else f"captured value {percent_text(captured)}"
    return f"best so far: configuration {best.configuration}, {words} {figure} over {best.n_trials} trials"


def reached_text(firm_value: float | None, captured: float | None) -> str:
    """What a trial has reached: its firm value and, where it is defined, its captured value."""
    return f"firm value {number(firm_value)}{'' if captured is None else f', captured value {percent_text(captured)}'}"
