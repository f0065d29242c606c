"""What a search found, and how sure that is, in sentences."""

import math
import shlex
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ghm.errors import UserError
from ghm.io.text import percent_text
from ghm.report.analysis.importance import FEWEST_TRIALS, Importance, finished
from ghm.search.records.reader import RecordedSearch, RecordedTrial, instances_of
from ghm.search.settings.command import check_command, verification_command
from ghm.search.settings.config import RANK_WORDS, SearchConfig
from ghm.search.settings.space import parse_hyperparameters
from ghm.search.trials.outcome import finite

CLOSE = 0.01
"""Captured values that differ by less than this are called close: another seed moves a good trial by about as much."""

STANDARD_ERRORS = 4.0
"""A simulated return further than this from the exact one is a warning, as it is in training."""


_KINDS = {
    "random": "A random search",
    "grid": "A grid search",
    "tpe": "A search by the tree-structured Parzen estimator",
    "gp": "A search by a Gaussian process",
}


def headline(search: RecordedSearch) -> str:
    """What was found, in one sentence."""
    best = search.best
    if best is not None:
        return f"{_captured_sentence(search, best)}{_verdict(best)}"
    if search.failed and not search.unfinished:
        return f"No trial succeeded: all {len(search.failed)} failed ({_reasons(search.failed)})."
    if search.failed:
        return f"No trial has succeeded yet; {len(search.failed)} failed ({_reasons(search.failed)})."
    return "No trial has finished yet."


def searched(search: RecordedSearch) -> str:
    """What was searched, in one sentence."""
    kind = _KINDS.get(str(search.config.get("search_type")), "A search")
    sizes = [len(values) for values in search.space.values() if isinstance(values, list)]
    varied = sum(size > 1 for size in sizes)
    space = f" over {math.prod(sizes):,} configurations of {_count(varied, 'hyperparameter')}" if varied else ""
    iterations = finite(search.config.get("n_iterations"))
    length = f", {iterations:,.0f} iterations each" if iterations else ""
    stopped = sum(trial.status == "stopped_at_rung" for trial in search.completed)
    counts = [f"{_count(len(search.completed), 'trial')} completed"]
    counts += [f"{stopped} of them stopped at a rung"] if stopped else []
    counts += [f"{len(search.failed)} failed"]
    if search.unfinished:
        counts.append(f"{len(search.unfinished)} running or interrupted")
    return f"{kind}{space}{length}: {', '.join(counts)}."


def meaning(search: RecordedSearch) -> str:
    """What a return and captured value are, with the untrained policy beside them."""
    T, dt = (finite(search.config.get(name)) for name in ("T", "dt"))
    years = "the horizon" if T is None else f"{T:g} years"
    text = (
        f"A return is what shareholders get, discounted, over {years} and from the firm's end there, as a mean over starts with "
        "cash uniform on [0, c̄]; it is below the value of a firm that goes on for ever. Captured value is 0 for closing the "
        "firm at once and 1 for the optimum."
    )
    start = untrained(search.best) if search.best is not None else None
    if start is None:
        return text
    step = "" if dt is None else f" at time steps of {dt:g} years"
    return f"{text} No training at all captures {percent(start)}{step}: that is what the best trial began with."


def untrained(trial: RecordedTrial) -> float | None:
    """Captured value of the trial's policy before its first iteration; None where it was not recorded."""
    first = next(iter(trial.history), {})
    return finite(first.get("captured_value")) if first.get("iteration") == 0 else None


def verdict(search: RecordedSearch) -> str | None:
    """The verdict on the best policy, with its figures; None where none was recorded."""
    best = search.best
    text = best.metrics.get("verdict_text") if best is not None else None
    if best is None or not isinstance(text, str) or not text:
        return None
    firm = "" if best.calibration is None else f" on {best.calibration}"
    return f"Trial {best.number}{firm}: {text}" if best_configuration(search).how else text


def certainty(search: RecordedSearch, importances: tuple[Importance, ...]) -> list[str]:
    """How sure the findings are, a sentence each."""
    if search.best is None:
        return []
    sentences = [_noise(search.best), *_rivals(search), *_effort(search), _importance(search, importances)]
    return [sentence for sentence in sentences if sentence]


def verification(search: RecordedSearch) -> str | None:
    """The command that trains the best configuration longer, on the firm of the trial that is shown.

    None where the record is not of this version.
    """
    if search.best is None:
        return None
    try:
        config = SearchConfig.from_dict(dict(search.config))
        model = search.model_of(search.best)
        command = verification_command(config, parse_hyperparameters(dict(search.best.hyperparameters)), model)
    except (UserError, KeyError, TypeError):
        return None
    return _narrow(command)


def check(search: RecordedSearch) -> str | None:
    """The command that checks the solution that the trials were judged by.

    None where the record is not of this version, or there are several calibrations and so several solutions.
    """
    if search.config.get("calibrations"):
        return None
    try:
        return _narrow(check_command(SearchConfig.from_dict(dict(search.config))))
    except (UserError, KeyError, TypeError):
        return None


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


@dataclass(frozen=True)
class Best:
    """The best configuration by what decided that it is the best."""

    figure: float | None
    """Its captured value; its return where captured value is undefined."""
    how: str
    """What that is a figure of, in words; empty where it is of a single training."""
    captured: bool
    """Whether it is a captured value."""

    @property
    def share(self) -> float | None:
        """Its captured value; None where that is undefined."""
        return self.figure if self.captured else None


def best_configuration(search: RecordedSearch) -> Best:
    """The best configuration's figure: as confirmed, else what its trials are ranked by, else its one trial's."""
    best = search.best
    if best is None:
        return Best(None, "", captured=False)
    captured = best.captured_value is not None
    if best.stage == "confirm":
        entries = (search.confirmation or {}).get("configurations")
        first = entries[0] if isinstance(entries, list) and entries else {}
        return Best(finite(first.get("confirmed")), "on seeds that nothing was tuned on", captured)
    if search.several_instances:
        entry = next((one for one in search.configurations if one.get("number") == best.configuration), {})
        count = len(instances_of(entry)) - int(finite(entry.get("failures")) or 0.0)
        return Best(
            finite(entry.get(search.rank_by)), f"as the {RANK_WORDS[search.rank_by]} of its {count} trials", captured
        )
    return Best(best.captured_value if captured else best.best_return, "", captured)


def _captured_sentence(search: RecordedSearch, best: RecordedTrial) -> str:
    found = best_configuration(search)
    if found.how and found.figure is not None:
        firm = "" if best.calibration is None else f" on {best.calibration}"
        gained = (
            f"captured {percent(found.figure)} of the value between closing the firm at once and the optimum"
            if found.captured
            else f"reached a return of {found.figure:.4f}"
        )
        worse = ": worse than closing the firm at once" if found.captured and found.figure < 0 else ""
        return (
            f"The best configuration, {best.configuration}, {gained}, {found.how}{worse}; the best of these trainings, trial "
            f"{best.number}{firm}, reached a return of {best.best_return:.4f}."
        )
    if best.captured_value is None or search.optimal_return is None or search.wind_up_return is None:
        return f"The best, trial {best.number}, reached a return of {best.best_return:.4f}."
    if best.captured_value < 0:
        return (
            f"Even the best, trial {best.number}, is worse than closing the firm at once: its return is "
            f"{best.best_return:.4f}; closing gives {search.wind_up_return:.4f}, "
            f"the optimum {search.optimal_return:.4f}."
        )
    return (
        f"The best, trial {best.number}, captured {percent(best.captured_value)} of the value between closing "
        f"the firm at once ({search.wind_up_return:.4f}) and the optimum ({search.optimal_return:.4f}): "
        f"its return is {best.best_return:.4f}."
    )


def _verdict(best: RecordedTrial) -> str:
    word = best.metrics.get("verdict")
    return f" Verdict: {word.replace('_', ' ')}." if isinstance(word, str) and word else ""


def _reasons(trials: tuple[RecordedTrial, ...]) -> str:
    counts = Counter(trial.status.replace("_", " ") for trial in trials)
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def _noise(best: RecordedTrial) -> str:
    simulated = finite(best.metrics.get("monte_carlo_return"))
    error = finite(best.metrics.get("monte_carlo_standard_error"))
    exact = "Returns are computed exactly, by backward induction, so the ranking has no simulation noise."
    if simulated is None or not error or best.best_return is None:
        return exact
    distance = abs(simulated - best.best_return) / error
    check = f"Simulating the best policy on held-out draws gave {simulated:.4f} ± {error:.4f} (one standard error)"
    if distance > STANDARD_ERRORS:
        return (
            f"{exact} {check}, which is {distance:.1f} standard errors away: do not trust it before that is explained."
        )
    return f"{exact} {check}, in agreement."


def _rivals(search: RecordedSearch) -> list[str]:
    if search.several_instances or search.confirmation is not None:
        return []  # how sure the ranking is, is then said of configurations
    once = "Each configuration was trained with one seed, and another seed would rank close trials differently"
    if len(search.ranked) == 1:
        return ["Only one trial completed, so there is nothing to compare it with."]
    best, second = search.ranked[0].captured_value, search.ranked[1].captured_value
    if best is None or second is None:
        return [f"{once}: train the best few again before relying on their order."]
    close = sum(1 for t in search.ranked[1:] if t.captured_value is not None and best - t.captured_value < CLOSE)
    if close:
        return [
            f"{_count(close, 'other trial')} came within {100 * CLOSE:.0f} percentage point of the best. {once}: "
            "train the best few again with other seeds before relying on their order."
        ]
    return [f"The runner-up is {100 * (best - second):.1f} percentage points behind. {once}."]


def _effort(search: RecordedSearch) -> list[str]:
    several = search.several_instances
    reached = (
        [one.captured for one in finished(search)] if several else [trial.captured_value for trial in search.ranked]
    )
    values = np.array([value for value in reached if value is not None])
    half = len(values) // 2
    # What the rungs left over is no sample of what was drawn.
    if search.config.get("search_type") != "random" or search.config.get("rungs") or half < 2:
        return []
    expected = expected_best(values, half)
    gain = float(values.max()) - expected
    noun = "configurations" if several else "trials"
    advice = f"more {noun} of the same kind promise little" if gain < CLOSE else f"more {noun} may well find better"
    return [
        f"A search of {half} {noun} drawn from these would have reached {percent(expected)} on average, "
        f"against {percent(float(values.max()))} with all {len(values)}: {advice}."
    ]


def _importance(search: RecordedSearch, importances: tuple[Importance, ...]) -> str:
    if not search.varied:
        return "All trials had the same hyperparameters, so nothing can be said about their effect."
    count, noun = len(finished(search)), "configurations" if search.several_instances else "trials"
    if not importances:
        return f"Too few {noun} finished ({count}) to tell which hyperparameter matters; {FEWEST_TRIALS} are the least."
    clear = [importance for importance in importances if importance.stands_out]
    if not clear:
        return f"With {count} finished {noun}, no hyperparameter's effect can be told from chance."
    names = ", ".join(f"{i.name} ({100 * i.low:.0f} to {100 * i.high:.0f}%)" for i in clear)
    which = " of those that went to the end" if search.config.get("rungs") else ""
    return f"What the ranking{which} depends on beyond chance: {names}, as shares of its variance with 90% intervals."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
