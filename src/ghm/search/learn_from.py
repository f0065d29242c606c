"""Reads what ``--learn_from`` names: which outcomes of an earlier search say something about the configurations of a new one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghm.errors import UserError
from ghm.io.safe_read import read_given
from ghm.search.decisions.ranking import ConfigurationScore, captured_or_return
from ghm.search.decisions.statistics import aggregate
from ghm.search.methods.earlier import Earlier, left_out_text
from ghm.search.methods.proposals import Known
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.settings.calibrations import Calibration
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import configured, make_hyperparameters
from ghm.search.settings.inactive import inactive_in
from ghm.search.settings.space import Choices
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import RungResult
from ghm.training.settings import SEARCHABLE, Hyperparameters

_PROBLEM = ("dt", "T", "terminal", "model", "n_iterations")
"""Settings without which captured values say nothing of one another."""


def read_earlier(path: Path, config: SearchConfig, choices: Choices, calibrations: Sequence[Calibration]) -> Earlier:
    """The outcomes of the search at ``path`` that a search with these settings can use.

    A configuration is used where all that decides its trainings is known and would be the same here: the problem, the
    iterations, every setting that is not searched here; and the values of those that are searched here are in their lists or
    ranges. Settings are matched by name, whether they were searched there or fixed. Those without effect do not count.

    Args:
        path: a results JSON or directory, or a search's ``search.toml``, which has such outcomes itself.
        config: of the new search.
        choices: its space.
        calibrations: its models; empty: the settings' own one.

    Raises:
        UserError: when there is no such search, it is of another problem, or nothing of it can be used.
    """
    if path.suffix == ".toml":
        return read_given(
            path,
            "learn_from",
            lambda given: Earlier.from_dict(given, choices),
            "give a search's results, or its search.toml",
        )
    try:
        state = read_search(path)
    except UserError as error:
        raise UserError(f"--learn_from: {error}") from error
    _require_same_problem(path, state, config, calibrations)
    used: list[Known] = []
    left_out: Counter[str] = Counter()
    for one in state.scores():
        found = _usable(one, state, config, choices)
        if isinstance(found, Known):
            used.append(found)
        else:
            left_out[found] += 1
    if not any(one.value is not None for one in used):
        total = left_out.total() + len(used)
        raise UserError(
            f"--learn_from {path}: none of its {total} configurations can be used here{left_out_text(left_out)}; give another "
            "search, or leave --learn_from out"
        )
    return Earlier(state.record.name, tuple(used), dict(left_out))


def _require_same_problem(
    path: Path, state: SearchState, config: SearchConfig, calibrations: Sequence[Calibration]
) -> None:
    there: dict[str, Any] = {name: getattr(state.config, name) for name in _PROBLEM}
    here: dict[str, Any] = {name: getattr(config, name) for name in _PROBLEM}
    for known, models in ((there, state.record.calibrations), (here, calibrations)):
        if models:  # then the settings' own model is trained on by nobody
            known |= {"model": None, "calibrations": {one.name: one.model for one in models}}
    differs = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
    if differs:
        raise UserError(
            f"--learn_from {path}: that search is of another problem or of other trainings ({', '.join(differs)} differ), whose "
            "captured values are not comparable with those here; give a search of the same problem, or leave --learn_from out"
        )


def _usable(one: ConfigurationScore, state: SearchState, config: SearchConfig, choices: Choices) -> Known | str:
    """What is known of an earlier configuration; or why that is of no use."""
    hyperparameters = _here(one, state, config, choices)
    if isinstance(hyperparameters, str):
        return hyperparameters
    some = len(one.trials) < len(state.numbering.numbers(one.configuration))
    if some or not all(trial.final or trial.status.is_at_rung for trial in one.trials):
        return "not finished"
    if any(trial.infrastructure_failure for trial in one.trials):
        return "with an infrastructure failure"
    at = config.rungs[0] if config.rungs else config.n_iterations
    results = [_at(trial, at) for trial in one.trials]
    if any(result is None and not trial.failed for result, trial in zip(results, one.trials, strict=True)):
        return f"without a result at iteration {at}"
    values = [value for result in results if result is not None and (value := captured_or_return(result)) is not None]
    return Known(hyperparameters, aggregate(values, config.rank_by) if values else None)


def _at(trial: TrialRecord, iteration: int) -> RungResult | None:
    """What a trial had reached at an iteration; None where it failed before, or was not looked at there."""
    end = trial.reached(None)
    return end if end is not None and end.iteration == iteration else trial.reached(iteration)


def _here(one: ConfigurationScore, state: SearchState, config: SearchConfig, choices: Choices) -> Hyperparameters | str:
    """The configuration in the new space; or why it is not in it."""
    there = configured(state.config.training(), one.hyperparameters)
    settings = {name: getattr(there, name) for name in SEARCHABLE}
    idle = inactive_in(settings)
    values = {name: space.first if name in idle else settings[name] for name, space in choices.items()}
    if outside := [name for name, space in choices.items() if values[name] not in space]:
        return f"with {outside[0]} outside the space"
    found = make_hyperparameters(values)
    try:
        here = configured(config.training(), found)
    except UserError:
        return "with settings that do not go together here"
    fixed = (name for name in SEARCHABLE if name not in choices and name not in idle)
    other = next((name for name in fixed if getattr(here, name) != settings[name]), None)
    return found if other is None else f"trained with another {other}"
