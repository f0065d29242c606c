"""How sure the findings are: a question, its answer and what follows from it, for the rows of a table."""

from typing import NamedTuple

import numpy as np

from ghm.io.text import error_text
from ghm.report.analysis.findings import (
    CLOSE,
    STANDARD_ERRORS,
    close_rivals,
    interval_text,
    percent,
    simulation_check,
)
from ghm.report.analysis.importance import FEWEST_TRIALS, Importance, finished
from ghm.search.decisions.confirmation import beaten_pairs
from ghm.search.decisions.ranking import RungAgreement, leading, rung_agreements, seeds_between, unequal_seeds_note
from ghm.search.records.state import SearchState
from ghm.search.settings.inactive import inactive_hyperparameters, inactive_note
from ghm.search.trials.outcome import TrialRecord, TrialState


class Answer(NamedTuple):
    """One row of the table."""

    question: str
    answer: str
    follows: str


def certainty(search: SearchState, importances: tuple[Importance, ...]) -> list[Answer]:
    """Everything that is known of how sure the findings are; nothing where there is no best trial."""
    if search.best_trial is None:
        return []
    rows = [*_noise(search.best_trial), *_confirmation(search), *_rivals(search), *_effort(search)]
    rows += [_importance(search, importances), *map(_rung, rung_agreements(search.trials, search.numbering))]
    if note := inactive_note(search.record.choices, vars(search.config)):
        choices = search.record.choices
        inactive = [name for name in inactive_hyperparameters(vars(search.config), choices) if name in choices]
        rows.append(Answer("Inactive hyperparameters", ", ".join(inactive), note))
    return rows


def expected_best(values: np.ndarray, draws: int) -> float:
    """Expected largest of ``draws`` values drawn from ``values`` with replacement.

    Σ v_(i) [(i/n)^m − ((i − 1)/n)^m] over the sorted values (Dodge et al. 2019, "Show Your Work", EMNLP).
    """
    ordered = np.sort(values)
    share = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.sum(ordered * np.diff(share**draws)))


def _noise(best: TrialRecord) -> list[Answer]:
    rows = [
        Answer("Simulation noise in the ranking", "none", "Firm values are computed exactly, by backward induction.")
    ]
    if (check := simulation_check(best)) is None:
        return rows
    simulated, error, distance = check
    follows = "It agrees with the exact firm value."
    if distance > STANDARD_ERRORS:
        follows = f"That is {distance:.1f} standard errors from the exact firm value: do not trust it before this is explained."
    return [
        *rows,
        Answer("Firm value of the best policy, simulated", f"{simulated:.4f} ± {error_text(error)}", follows),
    ]


def _confirmation(search: SearchState) -> list[Answer]:
    confirmation = search.confirmation
    if confirmation is None or not confirmation.configurations:
        return []
    first, *others = confirmation.configurations
    question = f"Captured value on {confirmation.n_seeds} fresh seeds"
    if first.confirmed is None:
        return [Answer(question, "–", "None of the trainings on fresh seeds has completed.")]
    known = None if first.interval is None else interval_text(first.interval)
    interval = f" (95% interval {known})" if known else " (too few seeds for an interval)"
    figure = "the worst training" if confirmation.figure == "worst" else "the interquartile mean"
    so_far = "" if confirmation.complete else ", so far"
    rows = [
        Answer(
            question,
            f"{percent(first.confirmed)}{interval}",
            f"Configuration {first.configuration}, {figure}{so_far}; it had {percent(first.tuned)} in the search.",
        )
    ]
    if confirmation.first_beats_second is not None and others:
        rows.append(
            Answer(
                "Pairs of trainings in which it beats the runner-up",
                beaten_pairs(confirmation),
                f"Its trainings on fresh seeds, each against each of configuration {others[0].configuration}.",
            )
        )
    return rows


def _rivals(search: SearchState) -> list[Answer]:
    first = leading(search.ranking())
    if (seeds := seeds_between(first)) is not None and search.choice is None:
        question = f"Seeds of the first {len(first)} configurations"
        return [Answer(question, f"{seeds[0]} to {seeds[1]}", unequal_seeds_note(seeds, len(first)))]
    if search.n_instances > 1 or search.confirmation is not None:
        return []  # how sure the ranking is, is then said of configurations
    ranked = search.ranked
    if len(ranked) == 1:
        return [Answer("Trials to compare it with", "none", "Only one trial completed.")]
    best, second = ranked[0].captured_value, ranked[1].captured_value
    once = "Each configuration was trained with one seed; another seed can change the order of close trials."
    if best is None or second is None:
        return [Answer("Seeds per configuration", "1", once)]
    return [
        Answer("Lead over the runner-up", f"{100 * (best - second):.1f} percentage points", once),
        Answer(
            f"Other trials within {100 * CLOSE:.0f} percentage point",
            str(close := close_rivals(search)),
            "Train the best few again on fresh seeds (--confirm) before relying on their order." if close else "",
        ),
    ]


def _effort(search: SearchState) -> list[Answer]:
    several, config = search.n_instances > 1, search.config
    reached = [one.captured for one in finished(search)] if several else [one.captured_value for one in search.ranked]
    values = np.array([value for value in reached if value is not None])
    half = len(values) // 2
    # What the rungs left over is no sample of what was drawn.
    if config.search_type != "random" or config.rungs or half < 2:
        return []
    expected, best = expected_best(values, half), float(values.max())
    noun = "configurations" if several else "trials"
    follows = f"More random {noun} are likely to find better ones."
    if best - expected < CLOSE:
        follows = f"More random {noun} would gain little."
    question = f"Best of {half} {noun} instead of {len(values)}"
    return [Answer(question, f"{percent(expected)} on average instead of {percent(best)}", follows)]


def _importance(search: SearchState, importances: tuple[Importance, ...]) -> Answer:
    question = "Hyperparameters with an effect beyond chance"
    if not search.varied:
        return Answer(question, "–", "All trials had the same hyperparameters.")
    count, noun = len(finished(search)), "configurations" if search.n_instances > 1 else "trials"
    completed = [trial for one in search.scores() for trial in one.trials if trial.status is TrialState.COMPLETED]
    if not importances and any(trial.captured_value is None for trial in completed):
        return Answer(question, "–", "Captured value is undefined: running this firm gains hardly anything.")
    if not importances:
        return Answer(question, "–", f"Too few {noun} finished ({count}); at least {FEWEST_TRIALS} are needed.")
    clear = [importance for importance in importances if importance.stands_out]
    if not clear:
        return Answer(question, "none", f"With {count} finished {noun}, every effect can be chance.")
    names = ", ".join(f"{i.name} ({100 * i.share:.0f}%)" for i in clear)
    which = f"of the {noun} that went to the end" if search.config.rungs else f"of {count} {noun}"
    return Answer(question, names, f"Share of the variance of the ranks {which} that each explains.")


def _rung(one: RungAgreement) -> Answer:
    question = f"Rank agreement between {one.rung:,} and {one.following:,} iterations"
    if one.correlation is None:
        return Answer(question, "–", f"Too few configurations were promoted ({one.configurations}) to tell.")
    rho, low, high = one.correlation
    follows = f"Of {one.configurations} configurations that were promoted."
    if low <= 0:
        follows += " No better than chance: use later rungs or a larger --keep."
    return Answer(question, f"{rho:.2f} (95% interval {low:.2f} to {high:.2f})", follows)
