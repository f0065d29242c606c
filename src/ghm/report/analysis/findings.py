"""What a search found, and how sure that is, in sentences."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ghm.io.text import error_text, percent_text
from ghm.report.analysis.importance import FEWEST_TRIALS, Importance, finished
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration
from ghm.search.settings.command import check_command, verification_command
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.settings.methods import METHODS
from ghm.search.trials.outcome import Outcome, TrialState
from ghm.training.logging.progress import number

CLOSE = 0.01
"""Captured values that differ by less than this are called close: another seed moves a good trial by about as much."""

STANDARD_ERRORS = 4.0
"""A simulated return further than this from the exact one is a warning, as it is in training."""


def headline(search: SearchState) -> str:
    """What was found, in one sentence."""
    best = search.best_configuration
    if best is not None:
        return f"{_best_sentence(search, best)}{_verdict(best.shown)}"
    failed = search.failures
    if failed and search.is_complete:
        return f"No trial succeeded: all {len(failed)} failed ({_reasons(failed)})."
    if failed:
        return f"No trial has succeeded yet; {len(failed)} failed ({_reasons(failed)})."
    return "No trial has finished yet."


def searched(search: SearchState) -> str:
    """What was searched, in one sentence."""
    config, counts = search.config, search.counts()
    sizes = [values.size for values in search.record.choices.values()]
    varied, total = sum(size > 1 for size in sizes), math.prod(sizes)
    of = f"{total:,} configurations of " if math.isfinite(total) else ""
    space = f" over {of}{_count(varied, 'hyperparameter')}" if varied else ""
    parts = [f"{counts.completed} of {_count(counts.asked, 'trial')} completed"]
    parts += [f"{counts.stopped} stopped at a rung"] if counts.stopped else []
    parts += [f"{counts.failed} failed"]
    parts += [f"{counts.paused} paused at a rung"] if counts.paused else []
    parts += [f"{counts.interrupted} running or interrupted"] if counts.interrupted else []
    parts += [f"{counts.waiting} not started"] if counts.waiting else []
    return f"{_method(search)}{space}, {config.n_iterations:,} iterations each: {', '.join(parts)}."


def _method(search: SearchState) -> str:
    """What kind of search it is; of a method that learns, a random one until it has begun to."""
    config, first = search.config, search.config.learns_from
    if first is None or max((one.configuration for one in search.trials), default=0) >= first:
        return config.method.description
    return f"{METHODS['random'].description} ({config.search_type} learns from configuration {first} on)"


def meaning(search: SearchState) -> str:
    """What a return and captured value are, with the untrained policy beside them."""
    config = search.config
    text = (
        f"A return is what shareholders get, discounted, over {config.T:g} years and from the firm's end there, as a mean over "
        "starts with cash uniform on [0, c̄]; it is below the value of a firm that goes on for ever. Captured value is 0 for "
        "closing the firm at once and 1 for the optimum."
    )
    start = untrained(search)
    if start is None:
        return text
    step = f"at time steps of {config.dt:g} years"
    return f"{text} No training at all captures {percent(start)} {step}: that is what the best trial began with."


def untrained(search: SearchState) -> float | None:
    """Captured value of the best trial's policy before its first iteration; None where it was not recorded."""
    best = search.best_trial
    first = next(iter(search.history(best)), None) if best is not None else None
    return first.captured_value if first is not None and first.iteration == 0 else None


def verdict(search: SearchState) -> str | None:
    """The verdict on the best policy, with its figures; None where none was recorded."""
    best = search.best_configuration
    text = best.shown.word("verdict_text") if best is not None else None
    if best is None or text is None:
        return None
    return text if best.basis == "trial" else f"Trial {best.shown.trial_num}{_on(best.shown)}: {text}"


def certainty(search: SearchState, importances: tuple[Importance, ...]) -> list[str]:
    """How sure the findings are, a sentence each."""
    if search.best_trial is None:
        return []
    sentences = [_noise(search.best_trial), *_rivals(search), *_effort(search), _importance(search, importances)]
    return [sentence for sentence in sentences if sentence]


def verification(search: SearchState) -> str | None:
    """The command that trains the best configuration longer, on the firm of the trial that is shown; None without one."""
    best = search.best_trial
    if best is None:
        return None
    model = None if best.calibration is None else search.model_of(best)
    return _narrow(verification_command(search.config, best.hyperparameters, model))


def check(search: SearchState) -> str | None:
    """The command that checks the solution that the trials were judged by; None where there are several calibrations."""
    return None if search.record.calibrations else _narrow(check_command(search.config))


def _narrow(command: str) -> str:
    """A command with one flag a line, so that it reads on a narrow screen; the shell joins the lines again."""
    words = [shlex.quote(word) for word in shlex.split(command)]
    return "".join(f" \\\n    {word}" if word.startswith("--") else f" {word}" for word in words).strip()


def percent(value: float | None) -> str:
    """A captured value as a percentage; a dash where there is none."""
    return "–" if value is None else percent_text(value)


def expected_best(values: np.ndarray, draws: int) -> float:
    """Expected largest of ``draws`` values drawn from ``values`` with replacement.

    Σ v_(i) [(i/n)^m − ((i − 1)/n)^m] over the sorted values (Dodge et al. 2019, "Show Your Work", EMNLP).
    """
    ordered = np.sort(values)
    share = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.sum(ordered * np.diff(share**draws)))


def basis_words(best: BestConfiguration, rank_by: RankBy) -> str:
    """What the figure of the best configuration is one of; nothing where it is of a single training."""
    if best.basis == "confirmed":
        which = f"as the worst of its {best.n_trials} trials, " if best.by == "worst" else ""
        return f"{which}on seeds that nothing was tuned on"
    return f"as the {RANK_WORDS[rank_by]} of its {best.n_trials} trials" if best.basis == "ranked" else ""


def _best_sentence(search: SearchState, best: BestConfiguration) -> str:
    trial, reference = best.trial, search.reference_of(best.trial)
    value = number(trial.best_return)
    if how := basis_words(best, search.config.rank_by):
        captured = best.captured_value
        gained = f"reached a return of {best.figure:.4f}"
        if captured is not None:
            gained = f"captured {percent(captured)} of the value between closing the firm at once and the optimum"
        worse = ": worse than closing the firm at once" if captured is not None and captured < 0 else ""
        which = "best" if best.shown is trial else "worst"
        return (
            f"The best configuration, {best.configuration}, {gained}, {how}{worse}; the {which} of these trainings, trial "
            f"{best.shown.trial_num}{_on(best.shown)}, reached a return of {number(best.shown.best_return)}."
        )
    if trial.captured_value is None or reference is None:
        return f"The best, trial {trial.trial_num}, reached a return of {value}."
    if trial.captured_value < 0:
        return (
            f"Even the best, trial {trial.trial_num}, is worse than closing the firm at once: its return is {value}; closing "
            f"gives {reference.wind_up_return:.4f}, the optimum {reference.optimal_return:.4f}."
        )
    return (
        f"The best, trial {trial.trial_num}, captured {percent(trial.captured_value)} of the value between closing "
        f"the firm at once ({reference.wind_up_return:.4f}) and the optimum ({reference.optimal_return:.4f}): "
        f"its return is {value}."
    )


def _on(trial: Outcome) -> str:
    return "" if trial.calibration is None else f" on {trial.calibration}"


def _verdict(best: Outcome) -> str:
    word = best.word("verdict")
    return "" if word is None else f" Verdict: {word.replace('_', ' ')}."


def _reasons(trials: Sequence[Outcome]) -> str:
    counts = Counter(trial.status.replace("_", " ") for trial in trials)
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def _noise(best: Outcome) -> str:
    simulated = best.figure("monte_carlo_return")
    error = best.figure("monte_carlo_standard_error")
    exact = "Returns are computed exactly, by backward induction, so the ranking has no simulation noise."
    if simulated is None or not error or best.best_return is None:
        return exact
    distance = abs(simulated - best.best_return) / error
    check = (
        f"Simulating the best policy on held-out draws gave {simulated:.4f} ± {error_text(error)} (one standard error)"
    )
    if distance > STANDARD_ERRORS:
        return (
            f"{exact} {check}, which is {distance:.1f} standard errors away: do not trust it before that is explained."
        )
    return f"{exact} {check}, in agreement."


def _rivals(search: SearchState) -> list[str]:
    if search.n_instances > 1 or search.confirmation is not None:
        return []  # how sure the ranking is, is then said of configurations
    once = "Each configuration was trained with one seed, and another seed would rank close trials differently"
    ranked = search.ranked
    if len(ranked) == 1:
        return ["Only one trial completed, so there is nothing to compare it with."]
    best, second = ranked[0].captured_value, ranked[1].captured_value
    if best is None or second is None:
        return [f"{once}: train the best few again before relying on their order."]
    close = sum(1 for t in ranked[1:] if t.captured_value is not None and best - t.captured_value < CLOSE)
    if close:
        return [
            f"{_count(close, 'other trial')} came within {100 * CLOSE:.0f} percentage point of the best. {once}: "
            "train the best few again with other seeds before relying on their order."
        ]
    return [f"The runner-up is {100 * (best - second):.1f} percentage points behind. {once}."]


def _effort(search: SearchState) -> list[str]:
    several, config = search.n_instances > 1, search.config
    reached = [one.captured for one in finished(search)] if several else [one.captured_value for one in search.ranked]
    values = np.array([value for value in reached if value is not None])
    half = len(values) // 2
    # What the rungs left over is no sample of what was drawn.
    if config.search_type != "random" or config.rungs or half < 2:
        return []
    expected = expected_best(values, half)
    gain = float(values.max()) - expected
    noun = "configurations" if several else "trials"
    advice = f"more {noun} of the same kind promise little" if gain < CLOSE else f"more {noun} may well find better"
    return [
        f"A search of {half} {noun} drawn from these would have reached {percent(expected)} on average, "
        f"against {percent(float(values.max()))} with all {len(values)}: {advice}."
    ]


def _importance(search: SearchState, importances: tuple[Importance, ...]) -> str:
    if not search.varied:
        return "All trials had the same hyperparameters, so nothing can be said about their effect."
    count, noun = len(finished(search)), "configurations" if search.n_instances > 1 else "trials"
    completed = [trial for one in search.scores() for trial in one.trials if trial.status is TrialState.COMPLETED]
    if not importances and any(trial.captured_value is None for trial in completed):
        return "Captured value is undefined, since running this firm gains hardly anything: no hyperparameter matters."
    if not importances:
        return f"Too few {noun} finished ({count}) to tell which hyperparameter matters; {FEWEST_TRIALS} are the least."
    clear = [importance for importance in importances if importance.stands_out]
    if not clear:
        return f"With {count} finished {noun}, no hyperparameter's effect can be told from chance."
    names = ", ".join(f"{i.name} ({100 * i.share:.0f}%)" for i in clear)
    which = " of those that went to the end" if search.config.rungs else ""
    return f"What the ranking{which} depends on beyond chance: {names}, as shares of its variance."


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
