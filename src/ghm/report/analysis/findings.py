"""What a search found, in sentences: the page's first screen."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence

from ghm.io.text import error_text, loss_text, percent_text, years_text
from ghm.search.methods.earlier import learns_from
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration, trials_in_words
from ghm.search.settings.command import check_command, resume_command, verification_command
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.settings.methods import METHODS
from ghm.search.trials.outcome import TrialRecord

CLOSE = 0.01
"""Captured values that differ by less than this are called close: another seed moves a good trial by about as much."""

CONFIRMED = 3
"""Configurations that a search without a confirmation is advised to train again on fresh seeds."""

STANDARD_ERRORS = 4.0
"""A simulated firm value further than this from the exact one is a warning, as it is in training."""


def headline(search: SearchState) -> str:
    """What was found, in one sentence."""
    best = search.best_configuration
    if best is not None:
        return _best_sentence(search, best)
    failed = search.failures
    if failed and search.is_complete:
        return f"No trial succeeded: all {len(failed)} failed ({_reasons(failed)})."
    if failed:
        return f"No trial has succeeded yet; {len(failed)} failed ({_reasons(failed)})."
    return "No trial has finished yet."


def confidence(search: SearchState) -> str | None:
    """How far the best configuration can be relied on, in a sentence or two; None where there is none."""
    best = search.best_configuration
    if best is None:
        return None
    if (doubt := simulation_doubt(best.trial)) is not None:
        return f"Do not trust this result yet: {doubt}."
    unfinished = "" if search.is_complete else "The search is not finished. "
    if best.basis == "confirmed" and search.confirmation is not None:
        interval = "" if best.interval is None else f" (95% interval {interval_text(best.interval)})"
        seeds = count_text(search.confirmation.n_seeds, "fresh seed")
        return f"{unfinished}Confirmed on {seeds} that the search had not used{interval}: {_its_trials(search, best)}."
    again = f"{resume_command(search.path.parent)} --confirm {min(CONFIRMED, len(search.ranking()))}"
    return f"{unfinished}Not confirmed: {_spread(search, best)}. To train the best again on fresh seeds: {again}"


def _its_trials(search: SearchState, best: BestConfiguration) -> str:
    """Numbers of the trials of a confirmed configuration: those of the search, and those on fresh seeds."""
    first, then = trials_in_words(best, search.trials)
    return f"{then} of configuration {best.configuration}, which was {first} in the search"


def searched(search: SearchState) -> str:
    """What was searched, in one sentence."""
    config, counts = search.config, search.counts()
    sizes = [values.size for values in search.record.choices.values()]
    varied, total = sum(size > 1 for size in sizes), math.prod(sizes)
    of = f"{total:,} possible configurations of " if math.isfinite(total) else ""
    tried = f"{search.numbering.n_configurations:,} of " if of and search.config.search_type != "grid" else ""
    space = f" over {tried}{of}{count_text(varied, 'hyperparameter')}" if varied else ""
    parts = [f"{counts.completed} of {count_text(counts.asked, 'trial')} completed"]
    parts += [f"{counts.stopped} stopped at a rung"] if counts.stopped else []
    parts += [f"{counts.failed} failed"]
    parts += [f"{counts.paused} paused at a rung"] if counts.paused else []
    parts += [f"{counts.interrupted} running or interrupted"] if counts.interrupted else []
    parts += [f"{counts.waiting} not started"] if counts.waiting else []
    again = ""
    if (confirmation := search.confirmation) is not None and confirmation.configurations:
        seeds = count_text(len(confirmation.seeds), "fresh seed")
        count = len(confirmation.configurations)
        more = ", those that fell behind on fewer" if confirmation.rounds else ""
        again = f" The best {'one was' if count == 1 else f'{count} were'} trained again on {seeds}{more}."
    return f"{_method(search)}{space}, {config.n_iterations:,} iterations per trial: {', '.join(parts)}.{again}"


def _method(search: SearchState) -> str:
    """What kind of search it is; of a method that learns, a random one until it has begun to."""
    config, first = search.config, learns_from(search.config, search.record.learn_from)
    if first is None or max((one.configuration for one in search.trials), default=0) >= first:
        return config.method.description
    return f"{METHODS['random'].description} ({config.search_type} learns from configuration {first} on)"


def meaning(search: SearchState) -> str:
    """What firm value and captured value are, with the untrained policy beside them."""
    text = (
        "Firm value is the expected discounted value of what shareholders get over "
        f"{years_text(search.config.T)}, less what they pay in, "
        "averaged over initial cash, uniform from 0 to c̄ (c_max); files call it return. Captured value is 0% for immediate "
        "liquidation and 100% for the optimum."
    )
    start = untrained(search)
    return text if start is None else f"{text} Before any training, the best trial captured {percent(start)}."


def untrained(search: SearchState) -> float | None:
    """Captured value of the best trial's policy before its first iteration; None where it was not recorded."""
    best = search.best_trial
    first = next(iter(search.history(best)), None) if best is not None else None
    return first.captured_value if first is not None and first.iteration == 0 else None


def verdict(search: SearchState) -> str | None:
    """The verdict on the best policy; None where none was recorded."""
    best = search.best_configuration
    text = best.shown.word("verdict_text") if best is not None else None
    return None if best is None or text is None else f"{best.shown_words}{text}"


def policy_name(search: SearchState) -> str | None:
    """Whose policy the figures are of, and that they are of the greedy one; None where there is no best trial."""
    best = search.best_trial
    return None if best is None else f"The figures are of {trial_name(search, best)}."


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
    """A command with one flag per line, so that it reads on a narrow screen; the shell joins the lines again."""
    words = [shlex.quote(word) for word in shlex.split(command)]
    return "".join(f" \\\n    {word}" if word.startswith("--") else f" {word}" for word in words).strip()


def percent(value: float | None) -> str:
    """A captured value as a percentage; a dash where there is none."""
    return percent_text(value)


def interval_text(interval: tuple[float, float] | None) -> str:
    """An interval of captured values; a dash where there is none."""
    return "–" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def count_text(count: int, noun: str) -> str:
    """A number of things, with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def trial_name(search: SearchState, trial: TrialRecord) -> str:
    """What a trial is called: its number; where a configuration has several, also its seed and calibration."""
    if search.n_instances == 1 and trial.stage == "explore":
        return f"trial {trial.trial_num}"
    on = "" if trial.calibration is None else f", {trial.calibration}"
    if trial.stage == "confirm":
        return f"trial {trial.trial_num} (configuration {trial.configuration}, fresh seed {trial.seed}{on})"
    return f"trial {trial.trial_num} (seed {trial.seed}{on})"


def loss(search: SearchState, trial: TrialRecord) -> float | None:
    """Share of the optimal firm value that a trial's best policy loses; None where it cannot be told."""
    reference = search.reference_of(trial)
    if trial.best_return is None or reference is None or not reference.optimal_return:
        return None
    return 1 - trial.best_return / reference.optimal_return


def basis_words(best: BestConfiguration, rank_by: RankBy) -> str:
    """What the figure of the best configuration is one of; nothing where it is of a single training."""
    if best.basis == "confirmed":
        return f"{RANK_WORDS[best.by]} of its {best.n_trials} trials on fresh seeds"
    return f"{RANK_WORDS[rank_by]} of its {best.n_trials} trials" if best.basis == "ranked" else ""


def simulation_doubt(best: TrialRecord) -> str | None:
    """That simulation contradicts the exact firm value of a trial, and by how much; None where it does not."""
    check = simulation_check(best)
    if check is None or check[2] <= STANDARD_ERRORS:
        return None
    simulated, error, distance = check
    return (
        f"simulation gives the best policy a firm value of {simulated:.4f} ± {error_text(error)}, {distance:.1f} standard "
        "errors from the exact one"
    )


def simulation_check(best: TrialRecord) -> tuple[float, float, float] | None:
    """Simulated firm value of a trial's policy, its standard error, and how many of these it is from the exact value."""
    simulated, error = best.figure("monte_carlo_return"), best.figure("monte_carlo_standard_error")
    if simulated is None or not error or best.best_return is None:
        return None
    return simulated, error, abs(simulated - best.best_return) / error


def _best_sentence(search: SearchState, best: BestConfiguration) -> str:
    trial, reference = best.trial, search.reference_of(best.trial)
    if how := basis_words(best, search.config.rank_by):
        captured = best.captured_value
        start = f"Configuration {best.configuration} is the best"
        if captured is None:
            return f"{start}, with a firm value of {best.figure:.4f} ({how})."
        if captured < 0:
            return (
                f"{start}, and is worse than immediate liquidation: its captured value is {percent(captured)} ({how})."
            )
        return (
            f"{start}: it captures {percent(captured)} of the value between immediate liquidation and the optimum ({how}"
            f"{_against_runner_up(search, best)})."
        )
    if trial.captured_value is None or reference is None or trial.best_return is None:
        return f"Trial {trial.trial_num} is the best, with a firm value of {best.figure:.4f}."
    if trial.captured_value < 0:
        return (
            f"Even the best, trial {trial.trial_num}, is worse than immediate liquidation: its firm value is "
            f"{trial.best_return:.4f}, that of immediate liquidation {reference.wind_up_return:.4f}."
        )
    return (
        f"Trial {trial.trial_num} is the best: it captures {percent(trial.captured_value)} of the value between immediate "
        f"liquidation and the optimum, and loses {loss_text(loss(search, trial))} of firm value."
    )


def _against_runner_up(search: SearchState, best: BestConfiguration) -> str:
    """That each training on fresh seeds was better than each of the runner-up, where that is so."""
    confirmation = search.confirmation
    if best.basis != "confirmed" or confirmation is None or confirmation.first_beats_second != 1.0:
        return ""
    return ", each better than any of the runner-up"


def _spread(search: SearchState, best: BestConfiguration) -> str:
    """What is known of how much the result depends on the seed."""
    if best.basis != "trial":
        values = [one.captured_value for one in best.trials if one.captured_value is not None]
        luck = f"the best of {count_text(len(search.ranking()), 'configuration')} is partly the luckiest"
        return f"its trials captured {interval_text((min(values), max(values)))}, and {luck}" if values else luck
    close = close_rivals(search)
    if close:
        return f"{count_text(close, 'other trial')} came within {100 * CLOSE:.0f} percentage point, and each had one seed only"
    return "each configuration was trained with one seed only"


def close_rivals(search: SearchState) -> int:
    """Trials whose captured value is less than `CLOSE` below the best trial's."""
    best, *others = [one.captured_value for one in search.ranked]
    return sum(1 for value in others if value is not None and best is not None and best - value < CLOSE)


def _reasons(trials: Sequence[TrialRecord]) -> str:
    counts = Counter(trial.status.replace("_", " ") for trial in trials)
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())
